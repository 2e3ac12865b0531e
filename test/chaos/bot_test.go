//go:build slow || chaos

package chaos_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// mood is how a bot answers.
type mood int

const (
	willing   mood = iota
	throttled      // 429: nothing is done
	failing        // 500: nothing is done
	hanging        // the message is sent, and no answer ever comes
)

// bot is a Bot API that counts how often it took each text.
type bot struct {
	http    *httptest.Server
	closing chan struct{}

	mu    sync.Mutex
	mood  mood
	last  int
	given map[string][]string // message ids by text
}

func newBot(t *testing.T) *bot {
	t.Helper()
	b := &bot{closing: make(chan struct{}), given: map[string][]string{}}
	b.http = httptest.NewServer(http.HandlerFunc(b.serve))
	t.Cleanup(func() {
		close(b.closing)
		b.http.Close()
	})
	return b
}

func (b *bot) set(m mood) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mood = m
}

// took gives the ids of each text.
func (b *bot) took() map[string][]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	copied := make(map[string][]string, len(b.given))
	for text, ids := range b.given {
		copied[text] = append([]string(nil), ids...)
	}
	return copied
}

func (b *bot) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil || !strings.HasSuffix(r.URL.Path, "/sendMessage") {
		answer(
			w, http.StatusOK, `{"ok":true,"result":{"id":123456,"is_bot":true,"first_name":"Chaos","username":"chaos_bot"}}`,
		)
		return
	}
	var params struct {
		ChatID json.Number `json:"chat_id"`
		Text   string      `json:"text"`
	}
	if err := json.Unmarshal(body, &params); err != nil {
		answer(w, http.StatusBadRequest, `{"ok":false,"error_code":400,"description":"Bad Request"}`)
		return
	}
	b.mu.Lock()
	now, id := b.mood, 0
	if now == willing || now == hanging {
		b.last++
		id = b.last
		// As the telegram service names its messages, whose numbers count for a chat only.
		b.given[params.Text] = append(b.given[params.Text], fmt.Sprintf("%s:%d", params.ChatID, id))
	}
	b.mu.Unlock()
	switch now {
	case throttled:
		answer(
			w, http.StatusTooManyRequests,
			`{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 1","parameters":{"retry_after":1}}`,
		)
	case failing:
		answer(w, http.StatusInternalServerError, `{"ok":false,"error_code":500,"description":"Internal Server Error"}`)
	case hanging:
		select {
		case <-b.closing:
		case <-r.Context().Done():
		}
	default:
		answer(
			w, http.StatusOK,
			fmt.Sprintf(
				`{"ok":true,"result":{"message_id":%d,"date":1750000000,"chat":{"id":%s,"type":"private"},"text":%q}}`, id,
				params.ChatID, params.Text,
			),
		)
	}
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // a client that has gone needs none
}
