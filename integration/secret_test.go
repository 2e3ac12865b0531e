package integration_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
)

// The platform and the event store say the channel's secret in every error that they can return.
func TestChannelSecretDoesNotLeaveTheNodeInAnyForm(t *testing.T) {
	told := fmt.Errorf("POST https://api/bot%s/x?t=%s: %s", token, url.QueryEscape(token), token)
	errs := map[string]error{"no kind": told}
	for _, kind := range []integration.ErrorKind{
		integration.FaultInvalid, integration.FaultUnauthorized, integration.FaultForbidden, integration.FaultNotFound,
		integration.FaultThrottled,
		integration.FaultTransient, integration.FaultAuth, integration.FaultPermanent, integration.FaultUnknown,
	} {
		errs[string(kind)] = &integration.Error{
			Kind: kind, Code: "TROUBLE", Message: told.Error(), PlatformCode: token, Err: told,
		}
	}
	actions := map[string]object{
		integration.ActionReceiveWebhook:      webhookParams(),
		integration.ActionSendMessage:         sendParams(),
		integration.ActionHealthCheck:         {"channelId": "c1"},
		integration.ActionVerifyWebhook:       {"channelId": "c1", "challenge": "x"},
		integration.ActionValidateCredentials: {"credentials": object{"token": token}},
		integration.ActionGetMedia:            {"channelId": "c1", "mediaId": "f1"},
	}
	for kind, err := range errs {
		for name, params := range actions {
			for step, spoil := range map[string]func(*platform){
				"structure": func(p *platform) { p.validateErr = err },
				"signature": func(p *platform) { p.signature = func(*integration.Webhook) error { return err } },
				"the rest":  func(p *platform) { p.normalizeErr = err },
				"events":    func(*platform) {},
			} {
				t.Run(kind+"/"+name+"/"+step, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						b := newHarness(t)
						p := b.platform
						p.sending, p.healthErr, p.validErr, p.mediaErr = always(err), err, err, err
						p.verify = func(integration.Verification) (string, error) { return "", err }
						p.messages = messages(2)
						b.events.fail = either(failOn("parrot:c1:k1", rejected{told}), func(event) error { return told })
						spoil(p)
						result, err := b.callWith(
							t.Context(), name, params, &action.Request{Meta: metaOf(t, object{"headers": object{"x-secret": token}})},
						)

						said := toJSON(t, result) + toJSON(t, b.events.events) + b.logs.String()
						if e, ok := errors.AsType[*action.Error](err); ok {
							said += e.Error() + toJSON(t, e)
						} else {
							require.NoError(t, err)
						}
						require.NotContains(t, said, "CANARY")
					})
				})
			}
		}
	}
}

func TestSecretIsNotCutInTwo(t *testing.T) {
	b := newHarness(t)
	text := make([]byte, 1015)
	for i := range text {
		text[i] = 'x'
	}
	b.platform.sending = always(
		&integration.Error{Kind: integration.FaultPermanent, Code: "NO", Message: string(text) + token},
	)
	result, err := b.send()
	require.NoError(t, err)
	require.NotContains(t, toJSON(t, result), "1234")
}

// A guess is put where it comes back: into the credentials, and into what the platform repeats in its error.
func TestGuessedSecretIsNotConfirmed(t *testing.T) {
	const wrong = "654321:GUESS/token"
	for name, test := range map[string]struct {
		action string
		params func(guess string) object
		spoil  func(b *harness, guess string)
	}{
		"as credentials": {
			integration.ActionValidateCredentials,
			func(guess string) object { return object{"credentials": object{"token": guess}} },
			func(b *harness, guess string) { b.platform.validErr = fmt.Errorf("no bot %s at all", guess) },
		},
		"beside credentials": {
			integration.ActionValidateCredentials,
			func(guess string) object {
				return object{"credentials": object{"token": "1:x"}, "settings": object{"apiBase": "https://" + guess}}
			},
			func(b *harness, guess string) { b.platform.validErr = fmt.Errorf("no host %s", guess) },
		},
		"as a channel": {
			integration.ActionSendMessage, func(guess string) object { return object{"channelId": guess, "message": object{}} },
			func(*harness, string) {},
		},
		"as a text": {
			integration.ActionSendMessage,
			func(guess string) object {
				return object{
					"channelId": "c1",
					"message":   object{"to": object{"id": 42}, "content": object{"type": "TEXT", "text": "is it " + guess}},
				}
			},
			func(b *harness, guess string) {
				b.platform.sending = always(
					&integration.Error{Kind: integration.FaultPermanent, Code: "NO", Message: "bad text: is it " + guess},
				)
			},
		},
		"as an attachment": {
			integration.ActionGetMedia, func(guess string) object { return object{"channelId": "c1", "mediaId": guess} },
			func(b *harness, guess string) {
				b.platform.mediaErr = &integration.Error{Kind: integration.FaultNotFound, Code: "NO", Message: "no file " + guess}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			said := func(guess string) string {
				b := newHarness(t)
				b.runtime.Secrets.Add(token) // as the channel has it
				test.spoil(b, guess)
				result, err := b.call(test.action, test.params(guess))
				return strings.ReplaceAll(toJSON(t, result)+toJSON(t, err), guess, "GUESSED")
			}
			require.Equal(t, said(wrong), said(token))
		})
	}
}

func TestCredentialsUnderTestAreNotSecretsOfTheNode(t *testing.T) {
	b := newHarness(t)
	b.platform.sending = always(
		&integration.Error{
			Kind: integration.FaultPermanent, Code: "NO", Message: "the platform found 4711:abc and a message",
		},
	)
	for _, value := range []string{"4711:abc", "message", "platform"} {
		b.platform.validErr = errors.New("no " + value)
		_, err := b.call(
			integration.ActionValidateCredentials,
			object{"credentials": object{"token": value}, "settings": object{"pin": "platform"}},
		)
		require.Error(t, err)
	}
	result, err := b.send()
	require.NoError(t, err)
	require.Equal(t, "the platform found 4711:abc and a message", result.(*integration.SendResult).Error.Message)
}
