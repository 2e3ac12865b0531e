package interop_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"
)

// sdkInput is one call, made to the platform in Go and to the same one in Node.js.
type sdkInput struct {
	name   string
	action string
	params any
	meta   fields
	times  int         // how often it is called, at least once
	api    []apiAnswer // of the platform
	full   bool        // the stream of received messages takes no more
}

// TestSDKDifferencesAreThoseListed compares a platform in Go with the same one on a factory that is written
// from what was published of the SDK. Both sides get the same inputs; wherever they differ, a difference of the list
// must say so, and each of the list must show.
func TestSDKDifferencesAreThoseListed(t *testing.T) {
	t.Parallel()
	node, golang := startParrots(t)

	table := &strings.Builder{}
	rows := tabwriter.NewWriter(table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(rows, "input\tNode\tGo\tdiffers in")
	defer func() {
		_ = rows.Flush()
		t.Log("\n" + table.String())
	}()

	t.Run("both announce the same actions", func(t *testing.T) {
		require.Equal(t, announcedDifferences, differences(t, announced(t, node.caller), announced(t, golang.caller)))
	})
	list, shown := sdkDifferences(), map[string]bool{}
	inputs := sdkInputs(time.Now())
	for i, in := range inputs {
		t.Run(in.name, func(t *testing.T) {
			sides, outcomes, failures := []*sdkSide{node, golang}, make([]*sdkOutcome, 2), make([]error, 2)
			var calls sync.WaitGroup
			for k, side := range sides {
				calls.Go(func() { outcomes[k], failures[k] = side.run(t.Context(), in, fmt.Sprint("trace-", i)) })
			}
			calls.Wait()
			require.NoError(t, failures[0], "Node")
			require.NoError(t, failures[1], "Go")

			key := in.action + ": " + in.name
			unexpected := differences(t, outcomes[0], outcomes[1])
			var names []string
			for _, d := range list {
				listed := slices.Contains(d.inputs, key)
				if d.inputs != nil && !listed {
					continue
				}
				n := len(unexpected)
				unexpected = slices.DeleteFunc(unexpected, d.at.MatchString)
				if len(unexpected) < n {
					names = append(names, d.name)
				}
				require.True(
					t, !listed || len(unexpected) < n, "%q does not show\nNode: %s\nGo:   %s", d.name, pretty(t, outcomes[0]),
					pretty(t, outcomes[1]),
				)
			}
			for _, name := range names {
				shown[name+": "+key], shown[name] = true, true
			}
			fmt.Fprintf(rows, "%s\t%s\t%s\t%s\n", key, outcomes[0], outcomes[1], strings.Join(names, ", "))
			require.Empty(t, unexpected, "\nNode: %s\nGo:   %s", pretty(t, outcomes[0]), pretty(t, outcomes[1]))
		})
	}
	for _, d := range list {
		require.True(t, shown[d.name], "%q was not seen", d.name)
		for _, input := range d.inputs {
			require.True(t, shown[d.name+": "+input], "%q was not seen with %q", d.name, input)
		}
	}
}

// announced is what a caller knows of the standard actions, but for their descriptions, which the SDK has none of.
func announced(t *testing.T, caller *peer) map[string]fields {
	t.Helper()
	actions := map[string]fields{}
	for _, a := range decode[[]struct {
		Name   string
		Action fields
	}](t, caller.Registry(t, "actions", fields{"skipInternal": true})) {
		if strings.HasPrefix(a.Name, "parrot.i_") {
			delete(a.Action, "description")
			actions[a.Name] = a.Action
		}
	}
	require.Len(t, actions, 6)
	return actions
}

// String tells an outcome in some words.
func (o *sdkOutcome) String() string {
	text := string(o.Data)
	if e := o.Error; e != nil {
		text = fmt.Sprintf("%s %v %s", strings.TrimPrefix(e.Name, "Moleculer"), e.Code, e.Type)
	}
	if len(text) > 60 {
		text = strings.ToValidUTF8(text[:60], "") + "…"
	}
	return fmt.Sprintf("%s [%d→ %d✉]", text, len(o.Requests), len(o.Events))
}

func pretty(t *testing.T, o *sdkOutcome) string {
	t.Helper()
	text, err := json.Marshal(o)
	require.NoError(t, err)
	return string(text[:min(len(text), 4000)])
}

// signature is Parrot's.
func signature(body string) string {
	mac := hmac.New(sha256.New, []byte(parrotSecret))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

// with changes some fields of params. nil takes one out.
func with(params, changes fields) fields {
	changed := maps.Clone(params)
	for name, value := range changes {
		if changed[name] = value; value == nil {
			delete(changed, name)
		}
	}
	return changed
}

func sdkInputs(now time.Time) []sdkInput {
	var inputs []sdkInput
	for _, group := range [][]sdkInput{
		goodWebhooks(now), badWebhooks(now), strangeWebhooks(now), verifications(), goodSends(), badSends(), checks(),
	} {
		inputs = append(inputs, group...)
	}
	return inputs
}

// hook is a webhook as a gateway hands it over.
func hook(now time.Time, body string) fields {
	var payload any = fields{}
	if strings.HasPrefix(body, "{") && json.Valid([]byte(body)) {
		payload = json.RawMessage(body)
	}
	return fields{
		"channelId": "cage", "payload": payload, "timestamp": now.UnixMilli(), "rawBody": body,
		"headers": fields{"x-parrot-signature": signature(body), "content-type": "application/json"},
	}
}

// said is a body with one text message, whose id should be its own.
func said(id, text string) string {
	quoted, _ := json.Marshal(text)
	return `{"messages":[{"id":"` + id + `","chat":"perch","user":"ada","text":` + string(quoted) + `}]}`
}

func goodWebhooks(now time.Time) []sdkInput {
	plain := hook(now, said("base64", "hello"))
	base64ed := fields{
		"rawBody": base64.StdEncoding.EncodeToString([]byte(plain["rawBody"].(string))), "rawBodyEncoding": "base64",
	}
	inMeta := with(hook(now, said("meta", "hello")), fields{"rawBody": nil})
	inMeta64 := with(
		plain, fields{"rawBody": nil, "headers": fields{"x-parrot-signature": signature(said("meta64", "hello"))}},
	)
	ids := fields{
		"tenantId": "of-the-caller", "userId": "u1", "requestId": "r1",
		"headers": fields{"authorization": "Bearer of-the-caller"},
	}

	return receiving(
		sdkInput{name: "one text", params: hook(now, said("one", "hello"))},
		sdkInput{name: "a batch", params: hook(now, `{"messages":[{"id":"b1","chat":"perch","user":"ada","text":"one"},`+
			`{"id":"b2","chat":"roof","user":"bob","text":"two"},{"id":"b3","chat":"perch","user":"ada","text":"three"}]}`)},
		sdkInput{
			name: "numbers for ids and text", params: hook(now, `{"messages":[{"id":71,"chat":72,"user":73,"text":74}]}`),
		},
		sdkInput{name: "an image", params: hook(now, `{"messages":[{"id":"i1","chat":"perch","user":"ada",`+
			`"image":{"url":"https://parrot.example/i.png","mimeType":"image/png"}}]}`)},
		sdkInput{
			name:   "a file with a caption",
			params: hook(now, `{"messages":[{"id":"f1","chat":"perch","user":"ada","text":"see","file":{"name":"a.pdf"}}]}`),
		},
		sdkInput{
			name:   "what nobody knows among texts",
			params: hook(now, `{"messages":[5,null,"x",[],{},{"id":"k1","chat":"perch","user":"ada","text":"known"}]}`),
		},
		sdkInput{
			name:   "a member of a wrong type, the ones before it good",
			params: hook(now, `{"messages":[{"id":"w1","chat":"perch","user":"ada","text":{}}]}`),
		},
		sdkInput{
			name:   "a member of a wrong type, the ones behind it good",
			params: hook(now, `{"messages":[{"id":{},"chat":"perch","user":"ada","text":"x"}]}`),
		},
		sdkInput{
			name:   "names of members in capitals",
			params: hook(now, `{"MESSAGES":[{"ID":"c1","Chat":"perch","uSER":"ada","TEXT":"x"}]}`),
		},
		sdkInput{name: "an empty batch", params: hook(now, `{"messages":[]}`)},
		sdkInput{name: "no batch at all", params: hook(now, `{}`)},
		sdkInput{name: "a batch of null", params: hook(now, `{"messages":null}`)},
		sdkInput{name: "the same webhook twice", params: hook(now, said("twice", "hello")), times: 2},
		sdkInput{
			name:   "the same message twice in a batch",
			params: hook(now, `{"messages":[{"id":"t1","chat":"perch","text":"a"},{"id":"t1","chat":"perch","text":"a"}]}`),
		},
		sdkInput{name: "a raw body in base64", params: with(plain, base64ed)},
		sdkInput{name: "a raw body in ctx.meta", params: inMeta, meta: fields{"rawBody": said("meta", "hello")}},
		sdkInput{
			name: "a raw body in ctx.meta, in base64", params: inMeta64,
			meta: fields{
				"rawBody": base64.StdEncoding.EncodeToString([]byte(said("meta64", "hello"))), "rawBodyEncoding": "BASE64",
			},
		},
		sdkInput{
			name:   "a payload that is not what was signed",
			params: with(hook(now, said("signed", "signed")), fields{"payload": json.RawMessage(said("forged", "forged"))}),
		},
		sdkInput{
			name: "a signature in capitals, under a name in capitals",
			params: with(
				hook(now, said("caps", "hello")),
				fields{"headers": fields{"X-Parrot-Signature": strings.ToUpper(signature(said("caps", "hello")))}},
			),
		},
		sdkInput{
			name: "headers that are numbers, lists and null",
			params: with(
				hook(now, said("heads", "hello")),
				fields{
					"headers": fields{
						"x-parrot-signature": []string{signature(said("heads", "hello"))}, "content-length": 7,
						"cookie": []string{"a", "b"}, "via": nil,
					},
				},
			),
		},
		sdkInput{name: "a tenant in ctx.meta beside the channel's", params: hook(now, said("tenant1", "hello")), meta: ids},
		sdkInput{
			name: "a tenant in ctx.meta only", params: with(hook(now, said("tenant2", "hello")), fields{"channelId": "wild"}),
			meta: ids,
		},
		sdkInput{
			name: "a tenant nowhere", params: with(hook(now, said("tenant3", "hello")), fields{"channelId": "wild"}),
		},
		sdkInput{
			name: "emoji, right-to-left and NUL", params: hook(now, said("uni", "🦜👩‍👩‍👧 שלום \x00\x1f <b>&amp; \u2028 \\ \"")),
		},
		sdkInput{
			name:   "emoji as escapes",
			params: hook(now, `{"messages":[{"id":"esc","chat":"perch","text":"\ud83e\udd9c \u0041"}]}`),
		},
		sdkInput{name: "half an emoji", params: hook(now, `{"messages":[{"id":"half","chat":"perch","text":"a\ud83e"}]}`)},
		sdkInput{name: "bytes that are no UTF-8", params: with(hook(
			now, "{\"messages\":[{\"id\":\"utf\",\"chat\":\"perch\",\"text\":\"a\xffb\"}]}",
		), fields{
			"rawBody": base64.StdEncoding.EncodeToString(
				[]byte("{\"messages\":[{\"id\":\"utf\",\"chat\":\"perch\",\"text\":\"a\xffb\"}]}"),
			),
			"rawBodyEncoding": "base64", "payload": fields{},
		})},
		sdkInput{name: "a huge text", params: hook(now, said("huge", strings.Repeat("parrot", 35_000)))},
		sdkInput{
			name: "ids beyond 2^53",
			params: hook(
				now, `{"messages":[{"id":9007199254740993,"chat":12345678901234567891,"user":9007199254740995,"text":"x"}]}`,
			),
		},
		sdkInput{
			name: "ids beyond 2^53, as texts",
			params: hook(
				now, `{"messages":[{"id":"9007199254740997","chat":"12345678901234567891","user":"9007199254740995","text":"x"}]}`,
			),
		},
	)
}

func badWebhooks(now time.Time) []sdkInput {
	good := hook(now, said("refused", "refused"))
	stamped := func(ms any) fields { return with(good, fields{"timestamp": ms}) }
	headers := func(h any) fields { return with(good, fields{"headers": h}) }
	after := func(d time.Duration) int64 { return now.Add(d).UnixMilli() }
	tooLarge := strings.Repeat("parrot", 45_000)

	return receiving(
		sdkInput{name: "a wrong signature", params: headers(fields{"x-parrot-signature": signature("something else")})},
		sdkInput{
			name:   "a signature with something behind it",
			params: headers(fields{"x-parrot-signature": good["headers"].(fields)["x-parrot-signature"].(string) + "zz"}),
		},
		sdkInput{name: "a signature that is no hex", params: headers(fields{"x-parrot-signature": "sha256=1"})},
		sdkInput{name: "no signature", params: headers(fields{})},
		sdkInput{name: "a channel without a secret", params: with(good, fields{"channelId": "open"})},
		sdkInput{name: "no raw body", params: with(good, fields{"rawBody": nil})},
		sdkInput{name: "an empty raw body", params: with(good, fields{"rawBody": ""})},
		sdkInput{name: "a raw body that is no base64", params: with(good, fields{"rawBodyEncoding": "base64"})},
		sdkInput{name: "a raw body in an unknown encoding", params: with(good, fields{"rawBodyEncoding": "latin1"})},
		sdkInput{name: "a raw body that is no JSON", params: hook(now, `{"messages":`)},
		sdkInput{
			name:   "a signed raw body that is a list",
			params: with(hook(now, `[]`), fields{"payload": json.RawMessage(said("list", "not signed"))}),
		},
		sdkInput{name: "a header that is an object", params: headers(fields{"x-parrot-signature": fields{}})},
		sdkInput{name: "a header that is a list of objects", params: headers(fields{"x-parrot-signature": []any{fields{}}})},
		sdkInput{name: "a timestamp of six minutes ago", params: stamped(after(-6 * time.Minute))},
		sdkInput{
			name:   "a timestamp of four minutes ago",
			params: with(hook(now, said("aged", "hello")), fields{"timestamp": after(-4 * time.Minute)}),
		},
		sdkInput{
			name:   "a timestamp of half a minute ahead",
			params: with(hook(now, said("ahead", "hello")), fields{"timestamp": after(time.Minute / 2)}),
		},
		sdkInput{name: "a timestamp of two minutes ahead", params: stamped(after(2 * time.Minute))},
		sdkInput{name: "a timestamp in seconds", params: stamped(now.Unix())},
		sdkInput{name: "a timestamp below zero", params: stamped(-1)},
		sdkInput{name: "a timestamp beyond all time", params: stamped(json.Number("1e300"))},
		sdkInput{name: "an unknown channel", params: with(good, fields{"channelId": "nobody"})},
		sdkInput{name: "a channel without a name", params: with(good, fields{"channelId": ""})},
		sdkInput{name: "a channel that is switched off", params: with(good, fields{"channelId": "asleep"})},
		sdkInput{name: "a channel of another platform", params: with(good, fields{"channelId": "phone"})},
		sdkInput{name: "a channel that cannot be read", params: with(good, fields{"channelId": "lost"})},
		sdkInput{name: "a batch that is no list", params: hook(now, `{"messages":{"id":"x"}}`)},
		sdkInput{
			name:   "a batch that is no list, and a wrong signature",
			params: with(hook(now, `{"messages":{"id":"x"}}`), fields{"headers": fields{}}),
		},
		sdkInput{
			name:   "an old timestamp and a wrong signature",
			params: with(stamped(after(-time.Hour)), fields{"headers": fields{}}),
		},
		sdkInput{
			name:   "an unknown channel and an old timestamp",
			params: with(stamped(after(-time.Hour)), fields{"channelId": "nobody"}),
		},
		sdkInput{name: "no params"},
		sdkInput{
			name: "params that are null", params: fields{"channelId": nil, "payload": nil, "headers": nil, "timestamp": nil},
		},
		sdkInput{
			name: "wrong params",
			params: fields{
				"channelId": 5, "payload": []int{1}, "headers": "x", "timestamp": "now", "rawBody": 5, "rawBodyEncoding": false,
			},
		},
		sdkInput{name: "a payload that is a text", params: with(good, fields{"payload": "text"})},
		sdkInput{name: "a payload that is null", params: with(good, fields{"payload": json.RawMessage("null")})},
		sdkInput{name: "a message too large to be stored", params: hook(now, said("large", tooLarge))},
		sdkInput{name: "a message too large among others", params: hook(now,
			`{"messages":[{"id":"l1","chat":"perch","text":"a"},{"id":"l2","chat":"perch","text":"`+tooLarge+`"},{"id":"l3","chat":"perch","text":"c"}]}`)},
		sdkInput{
			name: "a stream that is full", params: hook(now, said("full", "hello")), full: true,
		},
		sdkInput{name: "nothing for a stream that is full", params: hook(now, `{"messages":[]}`), full: true},
	)
}

func strangeWebhooks(now time.Time) []sdkInput {
	return receiving(
		sdkInput{
			name:   "params that nobody asked for",
			params: with(hook(now, said("more", "hello")), fields{"tenantId": "forged", "platform": "forged", "id": 7}),
		},
		sdkInput{name: "a message of no chat and no user", params: hook(now, `{"messages":[{"id":"n1","text":"x"}]}`)},
		sdkInput{name: "an id in many scripts, with a line break", params: hook(now, said(`ид-编\n号:*.>`, "hello"))},
		sdkInput{
			name: "a member called __proto__",
			params: hook(
				now,
				`{"messages":[{"id":"p1","chat":"perch","text":"x","__proto__":{"id":"forged"}}],"__proto__":{"messages":[]}}`,
			),
		},
		sdkInput{
			name: "members twice",
			params: hook(
				now,
				`{"messages":[{"id":"d1","chat":"perch","text":"x"}],"messages":[{"id":"d2","id":"d3","chat":"perch","text":"y"}]}`,
			),
		},
	)
}

func receiving(inputs ...sdkInput) []sdkInput { return doing("i_receiveWebhook", inputs) }

func doing(action string, inputs []sdkInput) []sdkInput {
	for i := range inputs {
		inputs[i].action = action
	}
	return inputs
}

func verifications() []sdkInput {
	plain := fields{"channelId": "cage", "mode": "subscribe", "token": parrotToken, "challenge": "1158201444"}
	hub := fields{
		"channelId": "cage", "hub.mode": "subscribe", "hub.verify_token": parrotToken, "hub.challenge": "<b>1158</b>",
	}
	return doing("i_verifyWebhook", []sdkInput{
		{name: "all right", params: plain, meta: fields{"tenantId": "of-the-caller"}},
		{name: "all right, by hub's names", params: hub},
		{name: "plain names before hub's", params: with(hub, fields{"hub.challenge": "no", "challenge": "yes"})},
		{name: "a wrong token", params: with(plain, fields{"token": "wrong"}), meta: fields{"tenantId": "of-the-caller"}},
		{name: "no token", params: with(plain, fields{"token": nil})},
		{name: "an empty token, and a channel that has none", params: with(plain, fields{"token": "", "channelId": "open"})},
		{name: "a wrong mode", params: with(plain, fields{"mode": "unsubscribe"})},
		{name: "no challenge", params: with(plain, fields{"challenge": nil})},
		{name: "no channel", params: with(plain, fields{"channelId": nil})},
		{name: "an unknown channel", params: with(plain, fields{"channelId": "nobody"})},
		{name: "a channel that is switched off", params: with(plain, fields{"channelId": "asleep"})},
		{name: "no params"},
		{name: "wrong params", params: fields{"channelId": 1, "mode": fields{}, "hub.challenge": 5}},
	})
}

// say is a message to send, as a text.
func say(text string) fields {
	return fields{"channelId": "cage", "message": fields{
		"id": "out-1", "conversationId": "perch", "from": fields{"id": tenantID}, "to": fields{"id": "perch"},
		"content": fields{"type": "TEXT", "text": text}, "timestamp": 1, "platform": "parrot",
	}}
}

// saying is a message with other members.
func saying(changes fields) fields {
	params := say("hello")
	params["message"] = with(params["message"].(fields), changes)
	return params
}

func goodSends() []sdkInput {
	const later = "1" // a second, after which Parrot wants to be asked again
	return sending(
		sdkInput{name: "a text", params: say("hello"), meta: fields{"tenantId": tenantID, "userId": "u1"}},
		sdkInput{name: "a text of emoji, markup and NUL", params: say("🦜 <b>&amp;\x00\u2028\"")},
		sdkInput{name: "an empty text", params: say("")},
		sdkInput{name: "no text", params: saying(fields{"content": fields{"type": "TEXT"}})},
		sdkInput{name: "a recipient who is a number", params: saying(fields{"to": fields{"id": 5550001234}})},
		sdkInput{name: "no recipient", params: saying(fields{"to": nil})},
		sdkInput{
			name:   "a message of a text and nothing else",
			params: fields{"channelId": "cage", "message": fields{"content": fields{"type": "TEXT", "text": "hello"}}},
		},
		sdkInput{
			name: "a channel without a tenant", params: with(say("hello"), fields{"channelId": "wild"}),
			meta: fields{"tenantId": "of-the-caller"},
		},
		sdkInput{name: "a huge text", params: say(strings.Repeat("parrot", 50_000))},
		sdkInput{
			name: "an id that is a number", params: say("hello"),
			api: []apiAnswer{{status: http.StatusCreated, body: `{"id":4711}`}},
		},
		sdkInput{
			name: "an id beyond 2^53", params: say("hello"),
			api: []apiAnswer{{status: http.StatusOK, body: `{"id":9007199254740993}`}},
		},
		sdkInput{
			name: "unavailable, then well", params: say("hello"),
			api: []apiAnswer{{status: http.StatusServiceUnavailable, body: "busy"}},
		},
		sdkInput{
			name: "too fast, then well", params: say("hello"),
			api: []apiAnswer{{status: http.StatusTooManyRequests, body: "slowly"}},
		},
		sdkInput{
			name: "too fast with a Retry-After, then well", params: say("hello"),
			api: []apiAnswer{{status: http.StatusTooManyRequests, body: "slowly", retryAfter: later}},
		},
	)
}

func badSends() []sdkInput {
	answer := func(status int, body string) []apiAnswer { return []apiAnswer{{status: status, body: body}} }
	return sending(
		sdkInput{
			name: "an unknown type of content", params: saying(fields{"content": fields{"type": "HOLOGRAM", "text": "x"}}),
		},
		sdkInput{
			name:   "an image",
			params: saying(fields{"content": fields{"type": "IMAGE", "media": fields{"url": "https://parrot.example/i.png"}}}),
		},
		sdkInput{name: "no content", params: saying(fields{"content": nil})},
		sdkInput{
			name: "content that is a text", params: saying(fields{"content": "hello"}),
		},
		sdkInput{name: "a message that is a text", params: with(say(""), fields{"message": "hello"})},
		sdkInput{name: "a message that is a list", params: with(say(""), fields{"message": []string{"hello"}})},
		sdkInput{name: "no params"},
		sdkInput{name: "an unknown channel", params: with(say("hello"), fields{"channelId": "nobody"})},
		sdkInput{name: "a channel that is switched off", params: with(say("hello"), fields{"channelId": "asleep"})},
		sdkInput{name: "a channel of another platform", params: with(say("hello"), fields{"channelId": "phone"})},
		sdkInput{name: "a channel that cannot be read", params: with(say("hello"), fields{"channelId": "lost"})},
		sdkInput{
			name: "bad request", params: say("hello"), api: answer(http.StatusBadRequest, `{"error":"text is too rude"}`),
		},
		sdkInput{name: "unauthorized", params: say("hello"), api: answer(http.StatusUnauthorized, `{"error":"who are you"}`)},
		sdkInput{name: "forbidden", params: say("hello"), api: answer(http.StatusForbidden, `{"error":"blocked"}`)},
		sdkInput{name: "no such chat", params: say("hello"), api: answer(http.StatusNotFound, `{"error":"no such chat"}`)},
		sdkInput{
			name: "an internal error, which may come after the deed", params: say("hello"),
			api: answer(http.StatusInternalServerError, "oops"),
		},
		sdkInput{name: "a redirect", params: say("hello"), api: answer(http.StatusMovedPermanently, "")},
		sdkInput{
			name: "unavailable three times", params: say("hello"),
			api: slices.Repeat(answer(http.StatusServiceUnavailable, "busy"), 3),
		},
		sdkInput{
			name: "too fast for a long time", params: with(say("hello"), fields{"channelId": "busy"}),
			api: []apiAnswer{{status: http.StatusTooManyRequests, body: "slowly", retryAfter: "60"}},
		},
		sdkInput{
			name: "unavailable, then refused", params: say("hello"),
			api: append(answer(http.StatusServiceUnavailable, "busy"), answer(http.StatusBadRequest, "rude")...),
		},
		sdkInput{name: "well, but no JSON", params: say("hello"), api: answer(http.StatusOK, "<html>fine</html>")},
		sdkInput{name: "well, but no id", params: say("hello"), api: answer(http.StatusOK, `{"ok":true}`)},
		sdkInput{name: "well, but a list", params: say("hello"), api: answer(http.StatusOK, `["m-9"]`)},
		sdkInput{name: "well, but nothing", params: say("hello"), api: answer(http.StatusOK, "")},
		sdkInput{name: "a reset after the request was written", params: say("hello"), api: []apiAnswer{{reset: true}}},
		sdkInput{name: "nobody listens", params: with(say("hello"), fields{"channelId": "dead"})},
		sdkInput{
			name: "an answer that quotes the key", params: say("hello"),
			api: answer(http.StatusBadRequest, "bad key "+parrotKey),
		},
		sdkInput{
			name: "an answer that is a whole page", params: say("hello"),
			api: answer(http.StatusBadRequest, strings.Repeat("page ", 1000)),
		},
	)
}

func sending(inputs ...sdkInput) []sdkInput { return doing("i_sendMessage", inputs) }

func checks() []sdkInput {
	answer := func(status int, body string) []apiAnswer { return []apiAnswer{{status: status, body: body}} }
	cage := fields{"channelId": "cage"}
	health := doing("i_healthCheck", []sdkInput{
		{name: "of the service", params: fields{}},
		{name: "no params"},
		{name: "of a channel that is well", params: cage},
		{name: "of a channel whose key is wrong", params: cage, api: answer(http.StatusUnauthorized, "who are you")},
		{name: "of a channel that is too fast", params: cage, api: answer(http.StatusTooManyRequests, "slowly")},
		{name: "of a channel whose platform is ill", params: cage, api: answer(http.StatusInternalServerError, "oops")},
		{name: "of a channel whose platform is away", params: fields{"channelId": "dead"}},
		{name: "of an unknown channel", params: fields{"channelId": "nobody"}},
		{name: "of a channel that is switched off", params: fields{"channelId": "asleep"}},
		{name: "of a channel that cannot be read", params: fields{"channelId": "lost"}},
		{name: "of a channel that is a number", params: fields{"channelId": 7}},
	})
	return append(health, credentialChecks()...)
}

func credentialChecks() []sdkInput {
	answer := func(status int, body string) []apiAnswer { return []apiAnswer{{status: status, body: body}} }
	good := fields{"credentials": fields{"apiKey": parrotKey}, "settings": fields{"apiBase": sideAPI}}
	return append(doing("i_validateCredentials", []sdkInput{
		{name: "valid ones", params: good},
		{name: "invalid ones", params: good, api: answer(http.StatusUnauthorized, "who are you")},
		{name: "none", params: with(good, fields{"credentials": fields{}}), api: answer(
			http.StatusUnauthorized, "who are you",
		)},
		{name: "with a platform that forbids it", params: good, api: answer(http.StatusForbidden, "blocked")},
		{name: "with a platform that is ill", params: good, api: answer(http.StatusInternalServerError, "oops")},
		{name: "with a platform that is unavailable", params: good, api: answer(http.StatusServiceUnavailable, "busy")},
		{name: "with a platform that is too fast", params: good, api: []apiAnswer{
			{status: http.StatusTooManyRequests, body: "slowly", retryAfter: "3"},
		}},
		{name: "ones that are no texts", params: with(good, fields{"credentials": fields{"apiKey": 5}})},
		{name: "ones that are a text", params: with(good, fields{"credentials": parrotKey})},
		{name: "no params"},
	}), doing("i_status", []sdkInput{
		{name: "plain"},
		{name: "with params that nobody asked for", params: fields{"channelId": 7}, meta: fields{
			"tenantId": "of-the-caller",
		}},
	})...)
}
