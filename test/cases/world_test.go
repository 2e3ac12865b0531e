package cases_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/events/order"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/services/discord"
	"github.com/hiliosai/switchboard/services/discord/discordtest"
	"github.com/hiliosai/switchboard/services/slack"
	"github.com/hiliosai/switchboard/services/slack/slacktest"
	"github.com/hiliosai/switchboard/services/telegram"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
	"github.com/hiliosai/switchboard/services/whatsapp"
	"github.com/hiliosai/switchboard/services/whatsapp/whatsapptest"
)

// Secrets of the channels. None may be seen in what leaves a service.
const (
	telegramToken  = "123456:CASES-bot-token-secret"
	telegramSecret = "cases-secret-token"
	slackToken     = "xoxb-cases-bot-token"
	slackSecret    = "cases-signing-secret"
	discordToken   = "MTExMTExMTExMTExMTExMTExMQ.GabcDe.cases-bot-token"
	metaToken      = "EAAcasesaccesstoken"
	metaSecret     = "casesappsecret0123456789"
	metaVerify     = "cases-verify-token"

	discordApp    = "1111111111111111111"
	phoneNumberID = "106540352242922"
)

var discordKey = ed25519.NewKeyFromSeed([]byte("thirty-two characters of a seed!"))

// part is a platform as the cases need it.
type part struct {
	define  func(*httpapi.Client) integration.Definition
	channel func(url string) (credentials, settings map[string]string)
	api     func(tb testing.TB) http.Handler
	sign    func(body []byte, stamp string) map[string]string
}

var parts = map[string]part{
	"telegram": {
		define: telegram.Definition,
		channel: func(url string) (credentials, settings map[string]string) {
			return map[string]string{"token": telegramToken, "secretToken": telegramSecret}, map[string]string{"apiBase": url}
		},
		api: func(tb testing.TB) http.Handler {
			tb.Helper()
			server := telegramtest.NewServer(telegramToken)
			tb.Cleanup(server.Close)
			return proxyTo(tb, server.URL())
		},
		sign: func([]byte, string) map[string]string {
			return map[string]string{"x-telegram-bot-api-secret-token": telegramSecret}
		},
	},
	"slack": {
		define: slack.Definition,
		channel: func(url string) (credentials, settings map[string]string) {
			return map[string]string{
				"botToken": slackToken, "signingSecret": slackSecret,
			}, map[string]string{"apiBase": url + "/api"}
		},
		api: func(tb testing.TB) http.Handler {
			tb.Helper()
			server := slacktest.NewServer(slackToken)
			tb.Cleanup(server.Close)
			return proxyTo(tb, strings.TrimSuffix(server.URL(), "/api"))
		},
		sign: func(body []byte, stamp string) map[string]string {
			return map[string]string{
				"x-slack-request-timestamp": stamp, "x-slack-signature": "v0=" + mac(slackSecret, "v0:"+stamp+":"+string(body)),
			}
		},
	},
	"discord": {
		define: discord.Definition,
		channel: func(url string) (credentials, settings map[string]string) {
			public := hex.EncodeToString(discordKey.Public().(ed25519.PublicKey))
			return map[string]string{"botToken": discordToken, "applicationId": discordApp, "publicKey": public},
				map[string]string{"apiBase": url + discordtest.Root, "cdnBase": url, "receive": "webhook"}
		},
		api: func(testing.TB) http.Handler {
			return discordtest.New(discordtest.App{BotToken: discordToken, ApplicationID: discordApp})
		},
		sign: func(body []byte, stamp string) map[string]string {
			signature := ed25519.Sign(discordKey, append([]byte(stamp), body...))
			return map[string]string{"x-signature-timestamp": stamp, "x-signature-ed25519": hex.EncodeToString(signature)}
		},
	},
	"whatsapp": {
		define: whatsapp.Definition,
		channel: func(url string) (credentials, settings map[string]string) {
			return map[string]string{
					"accessToken": metaToken, "phoneNumberId": phoneNumberID, "appSecret": metaSecret, "verifyToken": metaVerify,
				},
				map[string]string{"apiBase": url}
		},
		api: func(testing.TB) http.Handler {
			return whatsapptest.New(
				whatsapptest.Account{
					Token: metaToken, PhoneNumberID: phoneNumberID, WABAID: "102290129340398", AppSecret: metaSecret,
				},
			)
		},
		sign: func(body []byte, _ string) map[string]string {
			return map[string]string{"x-hub-signature-256": "sha256=" + mac(metaSecret, string(body))}
		},
	},
}

func mac(key, text string) string {
	sum := hmac.New(sha256.New, []byte(key))
	sum.Write([]byte(text))
	return hex.EncodeToString(sum.Sum(nil))
}

func proxyTo(tb testing.TB, address string) http.Handler {
	tb.Helper()
	root, err := url.Parse(address)
	require.NoError(tb, err)
	proxy := httputil.NewSingleHostReverseProxy(root)
	proxy.Transport = &http.Transport{DisableKeepAlives: true}
	return proxy
}

// scripted is an answer of the API that a case tells.
type scripted struct {
	Path    string
	Status  int
	Headers map[string]string
	JSON    json.RawMessage
	Text    string
	Times   int // zero is always
}

// world is a platform's service with a channel, an API and a stream that are ours.
type world struct {
	t       *testing.T
	part    part
	service *integration.Service
	api     http.Handler

	mu     sync.Mutex
	script []scripted
	calls  []any
	events []published
	said   bytes.Buffer // log lines
}

type published struct {
	name    string
	payload json.RawMessage
}

func newWorld(t *testing.T, platform string, settings map[string]string, script []scripted) *world {
	t.Helper()
	part, known := parts[platform]
	require.True(t, known, "no platform %q", platform)
	w := &world{t: t, part: part, api: part.api(t), script: script}
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	client := httpapi.New(httpapi.Options{AllowPrivate: true}) // the stand-in is on this machine
	t.Cleanup(client.Close)

	ch := &integration.Channel{ID: "cases", TenantID: "t1", Platform: platform, Status: integration.ChannelActive}
	ch.Credentials, ch.Settings = part.channel(server.URL)
	for name, value := range settings {
		ch.Settings[name] = value
	}
	secrets, log := &redact.Secrets{}, logrus.New()
	log.SetOutput(&lockedWriter{w: w})
	log.AddHook(secrets)
	var err error
	w.service, err = integration.Define(part.define(client), integration.Runtime{
		Channels: store{ch}, Events: w, Secrets: secrets, Namespace: "hios", Log: logrus.NewEntry(log),
	})
	require.NoError(t, err)
	require.NoError(t, w.service.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, w.service.Stop(context.Background())) })
	return w
}

type lockedWriter struct{ w *world }

func (l *lockedWriter) Write(line []byte) (int, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return l.w.said.Write(line)
}

type store struct{ channel *integration.Channel }

// Channel implements integration.ChannelStore.
func (s store) Channel(_ context.Context, id string) (*integration.Channel, error) {
	if id != s.channel.ID {
		return nil, integration.ErrChannelNotFound
	}
	return s.channel, nil
}

// Subject implements integration.Publisher.
func (w *world) Subject(name string) string { return name }

// Publish implements integration.Publisher.
func (w *world) Publish(_ context.Context, e order.Event, onAck func(bool, error)) {
	w.mu.Lock()
	w.events = append(w.events, published{e.Name, e.Payload})
	w.mu.Unlock()
	onAck(false, nil)
}

// ServeHTTP is the platform's API: what the case tells, else what the stand-in answers.
func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the caller has gone away
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	w.mu.Lock()
	w.calls = append(w.calls, callOf(r, body))
	answer := w.next(r.URL.Path)
	w.mu.Unlock()
	if answer == nil {
		w.api.ServeHTTP(rw, r)
		return
	}
	for name, value := range answer.Headers {
		rw.Header().Set(name, value)
	}
	content := []byte(answer.Text)
	if len(answer.JSON) > 0 {
		content = answer.JSON
		if rw.Header().Get("content-type") == "" {
			rw.Header().Set("content-type", "application/json")
		}
	}
	if answer.Status != 0 {
		rw.WriteHeader(answer.Status)
	}
	_, _ = rw.Write(content) // the caller may have gone away
}

// next is the scripted answer for a path, nil for none.
func (w *world) next(path string) *scripted {
	for i := range w.script {
		s := &w.script[i]
		if s.Times < 0 || !regexp.MustCompile(s.Path).MatchString(path) {
			continue
		}
		if s.Times == 1 {
			s.Times = -1 // used up
		} else if s.Times > 1 {
			s.Times--
		}
		return s
	}
	return nil
}

// callOf is a call as cases match it: its method, path and query, its JSON, or the fields and files of its form.
func callOf(r *http.Request, body []byte) object {
	call := object{"method": r.Method, "path": r.URL.Path, "query": r.URL.RawQuery}
	headers := object{}
	for name := range r.Header {
		headers[strings.ToLower(name)] = r.Header.Get(name)
	}
	call["headers"] = headers
	form, params, _ := mime.ParseMediaType(r.Header.Get("content-type"))
	switch form {
	case "multipart/form-data":
		fields, files := object{}, []any{}
		for reader := multipart.NewReader(bytes.NewReader(body), params["boundary"]); ; {
			p, err := reader.NextPart()
			if err != nil {
				break
			}
			content, err := io.ReadAll(p)
			switch {
			case err != nil:
			case p.FileName() != "":
				files = append(
					files,
					object{
						"name": p.FormName(), "filename": p.FileName(), "contentType": p.Header.Get("content-type"),
						"size": float64(len(content)),
					},
				)
			default:
				fields[p.FormName()] = string(content)
			}
		}
		call["form"], call["files"] = fields, files
		var of any
		if text, ok := fields["payload_json"].(string); ok && json.Unmarshal([]byte(text), &of) == nil {
			call["json"] = of
		}
	case "application/x-www-form-urlencoded":
		fields := object{}
		values, _ := url.ParseQuery(string(body))
		for name := range values {
			fields[name] = values.Get(name)
		}
		call["form"] = fields
	default:
		var of any
		if json.Unmarshal(body, &of) == nil {
			call["json"] = of
		} else if len(body) > 0 {
			call["text"] = string(body)
		}
	}
	return call
}

// receive posts a webhook as a gateway hands it on, and tells how it is answered.
func (w *world) receive(body []byte, contentType string, more map[string]string) (any, error) {
	w.t.Helper()
	now := time.Now()
	headers := map[string]string{"content-type": contentType}
	for _, set := range []map[string]string{w.part.sign(body, strconv.FormatInt(now.Unix(), 10)), more} {
		for name, value := range set {
			headers[strings.ToLower(name)] = value
		}
	}
	var payload any = json.RawMessage(body)
	if !json.Valid(body) {
		fields := object{}
		values, err := url.ParseQuery(string(body))
		require.NoError(w.t, err)
		for name := range values {
			fields[name] = values.Get(name)
		}
		payload = fields
	}
	return w.call(integration.ActionReceiveWebhook, object{
		"payload": payload, "headers": headers, "timestamp": now.UnixMilli(),
		"rawBody": base64.StdEncoding.EncodeToString(body), "rawBodyEncoding": "base64",
	})
}
