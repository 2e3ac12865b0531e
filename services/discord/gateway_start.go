package discord

import (
	"context"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/hiliosai/switchboard/integration/httpapi"
)

// gatewayBot is the answer of "Get Gateway Bot".
type gatewayBot struct {
	URL    string `json:"url"`
	Shards int    `json:"shards"`
	Starts struct {
		Remaining      int   `json:"remaining"`
		ResetAfter     int64 `json:"reset_after"` // ms
		MaxConcurrency int   `json:"max_concurrency"`
	} `json:"session_start_limit"`
}

// startInfo is what a session needs to know before it begins.
type startInfo struct {
	bot gatewayBot
	app application
	at  time.Time // when Discord was asked
}

// startInfoTTL is how long the shards of a bot share what one of them has asked for: many begin at the same time, and
// Discord takes few such questions.
const startInfoTTL = 5 * time.Second

// startInfos keep what was asked for lately, by channel. They belong to the platform. Safe for concurrent use.
type startInfos struct {
	asking keyedLocks

	mu    sync.Mutex
	known map[string]*startInfo
}

func newStartInfos() *startInfos {
	return &startInfos{asking: newKeyedLocks(), known: map[string]*startInfo{}}
}

// startInfo asks Discord, or another shard of this node that has just asked.
func (g *gateway) startInfo(ctx context.Context) (*startInfo, error) {
	if g.session.Of == 1 {
		return g.askForStart(ctx)
	}
	key := g.session.Channel.ID
	unlock, err := g.starts.asking.lock(ctx, key)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if found := g.starts.get(key); found != nil {
		return found, nil
	}
	found, err := g.askForStart(ctx)
	if err == nil {
		g.starts.put(key, found)
	}
	return found, err
}

func (g *gateway) askForStart(ctx context.Context) (*startInfo, error) {
	found := &startInfo{bot: gatewayBot{Shards: 1}, at: time.Now()}
	found.bot.Starts.Remaining = 1
	call := httpapi.Call{Name: "get gateway", Method: http.MethodGet, Path: "/gateway/bot"}
	if _, err := g.api.Ask(ctx, call, &found.bot); err != nil {
		return nil, err
	}
	app, err := g.api.self(ctx)
	if err != nil {
		return nil, err
	}
	found.app = *app
	return found, nil
}

func (s *startInfos) get(key string) *startInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.known[key]; found != nil && time.Since(found.at) < startInfoTTL {
		return found
	}
	return nil
}

func (s *startInfos) put(key string, found *startInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.known, func(_ string, old *startInfo) bool { return time.Since(old.at) >= startInfoTTL })
	s.known[key] = found
}
