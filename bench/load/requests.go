package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"strings"
	"time"
)

// scenario says how to make request params and what a good answer looks like.
type scenario struct {
	service, action string
	stream          string // JetStream stream that must grow, "" for none
	perRequest      int    // messages published per request
	params          func(seq int) []byte
	answer          string // "webhook", "send" or "echo"
}

type object = map[string]any

func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		log.Fatal(err)
	}
	return b
}

const text = "Hello, could you tell me where my order #48213 is? It should have arrived on Monday."

// Channels is how many the scenario telegram10k spreads its webhooks over: ch-00000 and so on.
const Channels = 10_000

// update is a Telegram webhook with a text message.
func update(channel string, id int, now time.Time, headers func(object) object) []byte {
	return marshal(object{
		"channelId": channel,
		"timestamp": now.UnixMilli(),
		"headers":   headers(object{"x-telegram-bot-api-secret-token": "bench-telegram-token"}),
		"payload": object{
			"update_id": id,
			"message": object{
				"message_id": id,
				"from": object{
					"id": 5550001234, "is_bot": false, "first_name": "Ada", "last_name": "Lovelace",
					"username": "ada_l", "language_code": "en",
				},
				"chat": object{
					"id": 5550001234, "first_name": "Ada", "last_name": "Lovelace",
					"username": "ada_l", "type": "private",
				},
				"date": now.Unix(),
				"text": text,
			},
		},
	})
}

func scenarios(ns, nonce, secret string) map[string]scenario {
	now := time.Now()
	base := int(now.UnixMilli()%1e9) * 1000 // so that ids differ between runs too
	received := ns + "_processing_message_received"
	sent := ns + "_processing_message_sent"

	headers := func(extra object) object {
		h := object{
			"host":            "hooks.example.com",
			"content-type":    "application/json",
			"user-agent":      "webhook-agent/1.0",
			"accept-encoding": "gzip, deflate",
			"x-forwarded-for": "203.0.113.7",
			"x-request-id":    "7f2c1c7e-3a4b-4a55-9d5e-0a5b7f1d2c3e",
		}
		for k, v := range extra {
			h[k] = v
		}
		return h
	}

	telegram := func(channel func(seq int) string) func(seq int) []byte {
		return func(seq int) []byte { return update(channel(seq), base+seq, now, headers) }
	}
	fast := func(int) string { return "ch-fast" }
	many := func(seq int) string { return fmt.Sprintf("ch-%05d", seq%Channels) }

	// whatsapp splits `count` messages over changes of ten, as the Cloud API may batch them.
	whatsapp := func(count int) func(int) []byte {
		return func(seq int) []byte {
			var changes []object
			for done := 0; done < count; {
				var msgs, contacts []object
				for i := 0; i < 10 && done < count; i++ {
					from := fmt.Sprintf("1555000%04d", 1000+i)
					contacts = append(contacts, object{"profile": object{"name": "Ada Lovelace"}, "wa_id": from})
					msgs = append(msgs, object{
						"from":      from,
						"id":        fmt.Sprintf("wamid.HBgL%s%012dAA%02d", nonce, base+seq, done),
						"timestamp": fmt.Sprint(now.Unix()),
						"text":      object{"body": text},
						"type":      "text",
					})
					done++
				}
				changes = append(changes, object{
					"field": "messages",
					"value": object{
						"messaging_product": "whatsapp",
						"metadata":          object{"display_phone_number": "15550783881", "phone_number_id": "106540352242922"},
						"contacts":          contacts,
						"messages":          msgs,
					},
				})
			}
			raw := marshal(object{
				"object": "whatsapp_business_account",
				"entry":  []object{{"id": "102290129340398", "changes": changes}},
			})
			mac := hmac.New(sha256.New, []byte(secret))
			mac.Write(raw)
			return marshal(object{
				"channelId": "ch-whatsapp",
				"timestamp": now.UnixMilli(),
				"headers":   headers(object{"x-hub-signature-256": "sha256=" + hex.EncodeToString(mac.Sum(nil))}),
				"payload":   json.RawMessage(raw),
				"rawBody":   string(raw),
			})
		}
	}

	send := func(channel string) func(int) []byte {
		return func(seq int) []byte {
			return marshal(object{
				"channelId": channel,
				"message": object{
					"id":             fmt.Sprintf("out-%s-%d", nonce, base+seq),
					"conversationId": "5550001234",
					"from":           object{"id": "tenant-1", "name": "Support"},
					"to":             object{"id": "5550001234"},
					"content":        object{"type": "TEXT", "text": text},
					"timestamp":      now.UnixMilli(),
					"platform":       "telegram",
				},
			})
		}
	}

	echo := func(seq int) []byte {
		return marshal(
			object{"seq": base + seq, "kind": "echo", "list": []int{1, 2, 3}, "text": strings.Repeat("0123456789", 33)},
		)
	}

	return map[string]scenario{
		"echo":        {"telegram", "i_echo", "", 0, echo, "echo"},
		"start":       {"telegram", "i_echo", "", 0, echo, "echo"},
		"telegram":    {"telegram", "i_receiveWebhook", received, 1, telegram(fast), "webhook"},
		"telegram10k": {"telegram", "i_receiveWebhook", received, 1, telegram(many), "webhook"},
		"whatsapp":    {"whatsapp", "i_receiveWebhook", received, 1, whatsapp(1), "webhook"},
		"whatsapp20":  {"whatsapp", "i_receiveWebhook", received, 20, whatsapp(20), "webhook"},
		"send0":       {"telegram", "i_sendMessage", sent, 1, send("ch-fast"), "send"},
		"send50":      {"telegram", "i_sendMessage", sent, 1, send("ch-slow"), "send"},
	}
}
