//go:build slow || chaos

package chaos_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hiliosai/switchboard/test/chaos"
	"github.com/hiliosai/switchboard/test/chaos/batchplatform"
)

const (
	// conversations is how many there are at first. Each posts its webhooks strictly one after another: where all wait for
	// an answer, others begin, so that webhooks come at the rate whatever is broken, up to mostConversations.
	conversations, mostConversations = 160, 8000
	// impatience is how long a platform waits for an answer.
	impatience = 15 * time.Second
	// repeated, given up and poisoned are one in so many.
	repeatedOneIn, impatientOneIn, poisonedOneIn = 10, 16, 500
	// firstRest and longestRest are between a platform's attempts to get a webhook through.
	firstRest, longestRest = 200 * time.Millisecond, 8 * time.Second
	tick                   = 10 * time.Millisecond
)

// generator posts webhooks to the gateway as platforms do.
type generator struct {
	gateway string
	rate    int
	journal *chaos.Journal
	fault   *atomic.Pointer[string] // what is broken

	client *http.Client
	turns  chan struct{}
	busy   sync.WaitGroup
	ids    atomic.Int64
	away   atomic.Int64 // when the claims were found away last, in ns since 1970
}

// claimsRest is how long nodes may take to ask claims again that are back.
const claimsRest = 3 * time.Second

// claimsAway says whether nodes cannot tell repetitions by the claims.
func (g *generator) claimsAway() bool {
	now := time.Now().UnixNano()
	if g.fault != nil && strings.HasPrefix(*g.fault.Load(), "Redis") {
		g.away.Store(now)
	}
	return now-g.away.Load() < int64(claimsRest)
}

// start posts until posting ends. What was not answered by then is sent again until life ends. done is closed when
// everything is over.
func (g *generator) start(posting, life context.Context, seed uint64) (done <-chan struct{}) {
	g.client = gatewayClient()
	g.turns = make(chan struct{})
	begin := func(number int, now bool) {
		random := rand.New(rand.NewPCG(seed, uint64(number)))
		g.busy.Go(func() { g.converse(posting, life, number, now, random) })
	}
	for i := range conversations {
		begin(i, false)
	}
	g.busy.Go(func() { g.pace(posting, begin) })
	over := make(chan struct{})
	go func() {
		defer close(over)
		g.busy.Wait()
		g.client.CloseIdleConnections()
	}()
	return over
}

// gatewayClient posts as platforms do.
func gatewayClient() *http.Client {
	return &http.Client{Timeout: impatience, Transport: &http.Transport{MaxIdleConnsPerHost: 2 * conversations}}
}

// pace gives turns at the rate, to conversations that have nothing under way.
func (g *generator) pace(posting context.Context, begin func(number int, now bool)) {
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	began, given, begun := time.Now(), 0, conversations
	for {
		select {
		case <-posting.Done():
			return
		case <-ticks.C:
		}
		for due := int(time.Since(began) * time.Duration(g.rate) / time.Second); given < due; given++ {
			select {
			case g.turns <- struct{}{}:
			default:
				if begun < mostConversations {
					begin(begun, true)
					begun++
				}
			}
		}
	}
}

// converse posts a conversation's webhooks, one for each turn; the first now, where it has one already.
func (g *generator) converse(posting, life context.Context, number int, now bool, random *rand.Rand) {
	patient := number%impatientOneIn != 0
	for n := 1; ; n++ {
		if n > 1 || !now {
			select {
			case <-posting.Done():
				return
			case <-g.turns:
			}
		}
		w, path, body := g.webhook(number, n, random)
		w.InOrder, w.Fault = patient, *g.fault.Load()
		g.journal.Webhook(w)
		repeat, again := random.IntN(2*repeatedOneIn), time.Duration(random.IntN(3000))*time.Millisecond
		if repeat == 0 { // a platform that did not see its first request get through
			g.busy.Go(func() { g.post(life, path, body, w) })
		}
		rest := firstRest
		for !g.post(life, path, body, w) && patient {
			if !wait(life, rest/2+rand.N(rest/2)) {
				return
			}
			rest = min(2*rest, longestRest)
		}
		if repeat == 1 {
			g.busy.Go(func() {
				if wait(life, again) {
					g.post(life, path, body, w)
				}
			})
		}
	}
}

// webhook makes a conversation's next webhook: of Telegram, or of the batch platform with several messages.
func (g *generator) webhook(conversation, n int, random *rand.Rand) (w *chaos.Webhook, path string, body []byte) {
	w = &chaos.Webhook{Conversation: fmt.Sprint("c", conversation), Number: n, Poisoned: random.IntN(poisonedOneIn) == 0}
	text := fmt.Sprintf("c%d/%d", conversation, n)
	if w.Poisoned {
		text += "/" + batchplatform.Poison
	}
	id := g.ids.Add(1)
	var content any
	switch conversation % 5 {
	case 0: // several messages at once
		var batch batchplatform.Webhook
		for i := range 3 {
			part := fmt.Sprintf("%s/%d", text, i+1)
			w.Texts = append(w.Texts, part)
			batch.Messages = append(
				batch.Messages, batchplatform.Message{ID: fmt.Sprintf("%d-%d", id, i), Conversation: w.Conversation, Text: part},
			)
		}
		path, content = "/batch/"+channelBatch, batch
	default:
		w.Texts = []string{text}
		path = "/telegram/" + channelWindow
		if conversation%5 == 1 {
			path = "/telegram/" + channelHorizon
		}
		chat := map[string]any{"id": 1000 + conversation, "type": "private", "first_name": "Ann"}
		content = map[string]any{"update_id": id, "message": map[string]any{
			"message_id": id, "from": map[string]any{"id": 1000 + conversation, "is_bot": false, "first_name": "Ann"},
			"chat": chat, "date": time.Now().Unix(), "text": text,
		}}
	}
	body, err := json.Marshal(content)
	if err != nil {
		panic(err) // of texts and numbers
	}
	return w, path, body
}

// post posts a webhook once, and says whether the answer was a success.
func (g *generator) post(ctx context.Context, path string, body []byte, w *chaos.Webhook) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.gateway+path, bytes.NewReader(body))
	if err != nil {
		panic(err) // of a URL of our own
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Telegram-Bot-Api-Secret-Token", botSecret)
	spools := strings.HasPrefix(path, "/batch/")
	if spools && g.claimsAway() {
		w.Blind()
	}
	status := 0
	if res, err := g.client.Do(req); err == nil {
		status = res.StatusCode
		_, _ = io.Copy(io.Discard, res.Body) // the status is what counts
		_ = res.Body.Close()
	}
	if spools && g.claimsAway() { // the gateway may have posted it twice by now
		w.Blind()
	}
	w.Answered(status)
	return status >= 200 && status < 300
}

// wait is a pause, and says whether it was not cut short.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
