package discord

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"runtime"
	"strconv"
	"time"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/payload"
)

const (
	receiveGateway = "gateway"
	receiveWebhook = "webhook"

	// identifyInterval is the pause between two sessions of one rate limit key, "Max Concurrency": 5 s, and a second for
	// what writing down the turn takes. identifyWithin is how soon after its turn a shard must identify.
	identifyInterval = 6 * time.Second
	identifyWithin   = 500 * time.Millisecond
	// longestReset bounds the wait for new session starts, which Discord gives each day.
	longestReset = 24 * time.Hour
	// reshardTimeout is how long a connection waits to be opened anew after the number of shards has changed.
	reshardTimeout = 10 * time.Second
)

// Connections implements [integration.Receiver]. How many shards there are is found out by the first one.
func (*platform) Connections(ch *integration.Channel) int {
	if overGateway(ch.Settings) {
		return 1
	}
	return 0
}

// Receive implements [integration.Receiver]: it keeps one shard's connection to the Gateway.
func (p *platform) Receive(ctx context.Context, session *integration.Session) error {
	ch := session.Channel
	g := &gateway{
		api: p.api(ch.Credentials, ch.Settings), token: ch.Credentials[fieldBotToken], session: session, starts: p.starts,
	}
	g.asks, g.presence = intentsOf(ch), presenceOf(ch)
	g.answers = newInteractionAnswers(ctx, g.api.anonymous(), session.Log())
	defer g.answers.close(session)
	return g.receive(ctx)
}

// gateway is one connection of one shard.
type gateway struct {
	api      api
	token    string
	session  *integration.Session
	asks     intents // of the channel
	presence *presence
	answers  *interactionAnswers
	starts   *startInfos

	conn    *gatewayConn
	at      position            // of the session at Discord; its Seq is that of what was read last
	headers integration.Headers // of what comes in that session
	heard   bool                // something of the session has come over this connection
}

// position is a connection's cursor: the session at Discord, and the last event that is durable.
type position struct {
	Session string  `json:"session"`
	URL     string  `json:"url"` // to resume at
	Shards  int     `json:"shards"`
	Asks    intents `json:"intents"`         // of the channel when the session began
	Lacks   intents `json:"lacks,omitempty"` // those of them that the app may not have
	Seq     int64   `json:"seq"`
}

func (p *position) encode() json.RawMessage {
	encoded, _ := json.Marshal(p) // texts and numbers
	return encoded
}

// resumable says whether the session of a cursor is the one that the channel wants.
func (g *gateway) resumable() bool {
	return g.at.Session != "" && g.at.Shards == g.session.Of && g.at.Asks == g.asks
}

func (g *gateway) receive(ctx context.Context) error {
	_ = json.Unmarshal(g.session.Cursor(), &g.at) // one that cannot be read begins a new session
	resume := g.resumable()
	if resume && g.at.Lacks != 0 { // perhaps the app may have them now: that takes a new session
		app, err := g.api.self(ctx)
		resume = err != nil || g.asks.refusedTo(app) == g.at.Lacks
	}
	var err error
	if resume {
		g.headers = inSession(g.at.Session)
		err = g.resume(ctx)
	} else {
		err = g.identify(ctx)
	}
	if g.conn != nil {
		defer g.conn.close()
	}
	if err == nil {
		err = g.read(ctx)
	}
	return g.ended(ctx, err)
}

// resume connects and goes on with the session of the cursor, "Resuming".
func (g *gateway) resume(ctx context.Context) error {
	err := g.connect(ctx, g.at.URL)
	if e, ok := errors.AsType[*integration.Error](err); ok && e.Kind == integration.FaultTransient {
		// What Discord handed out for resuming may be gone. The session may be known at the usual address.
		var found *startInfo
		if found, err = g.startInfo(ctx); err == nil {
			err = g.connect(ctx, found.bot.URL)
		}
	}
	if err != nil {
		return err
	}
	return g.conn.send(ctx, opResume, map[string]any{"token": g.token, "session_id": g.at.Session, "seq": g.at.Seq})
}

// identify connects and begins a session, when it is this shard's turn.
func (g *gateway) identify(ctx context.Context) error {
	found, err := g.startInfo(ctx)
	if err != nil {
		return err
	}
	bot := &found.bot
	if g.session.Index == 0 && bot.Shards > g.session.Of {
		return g.reshard(ctx, bot.Shards)
	}
	if bot.Starts.Remaining <= 0 {
		return &integration.Error{
			Kind: integration.FaultThrottled, Code: codes.RateLimited,
			RetryAfter: min(max(time.Duration(bot.Starts.ResetAfter)*time.Millisecond, time.Minute), longestReset),
			Message:    "Discord lets the bot begin no more sessions today; the next one begins when Discord allows it",
		}
	}
	lacks := g.asks.refusedTo(&found.app)
	if must := lacks &^ intentContent; must != 0 {
		return refusedIntents(must)
	}
	g.at = position{Shards: g.session.Of, Asks: g.asks, Lacks: lacks}
	taken, err := g.turn(ctx, bot)
	if err != nil {
		return err
	}
	if err := g.connect(ctx, bot.URL); err != nil {
		return err
	}
	if time.Since(taken) > identifyWithin { // it took too long: the next shard could be too close
		g.conn.pause(true)
		_, err := g.turn(ctx, bot)
		g.conn.pause(false)
		if err != nil {
			return err
		}
	}
	properties := map[string]string{"os": runtime.GOOS, "browser": "switchboard", "device": "switchboard"}
	return g.conn.send(ctx, opIdentify, struct {
		Token      string            `json:"token"`
		Properties map[string]string `json:"properties"`
		Shard      [2]int            `json:"shard"`
		Intents    intents           `json:"intents"`
		Presence   *presence         `json:"presence,omitempty"`
	}{g.token, properties, [2]int{g.session.Index, g.session.Of}, g.asks &^ lacks, g.presence})
}

// turn waits until this shard may identify. It returns when that was.
func (g *gateway) turn(ctx context.Context, bot *gatewayBot) (time.Time, error) {
	key := g.session.Index % max(bot.Starts.MaxConcurrency, 1)
	err := g.session.Turn(ctx, "identify/"+g.api.application+"/"+strconv.Itoa(key), identifyInterval)
	return time.Now(), err
}

// reshard has the factory open more connections, and this one anew.
func (g *gateway) reshard(ctx context.Context, shards int) error {
	g.session.Log().WithField("shards", shards).Info("Discord wants the bot's servers in this many shards")
	g.session.SetShards(shards)
	ctx, cancel := context.WithTimeout(ctx, reshardTimeout)
	defer cancel()
	<-ctx.Done()
	return errReshard
}

// connect opens the WebSocket.
func (g *gateway) connect(ctx context.Context, handedOut string) error {
	address, err := gatewayAddress(handedOut, g.api.Base)
	if err != nil {
		return err
	}
	g.conn, err = openGateway(ctx, g.api.Client, address, g.durable)
	return err
}

// durable is the sequence number that heartbeats say. It is that of what is durable, so that Discord keeps for the next
// owner what is not.
func (g *gateway) durable() int64 {
	var at position
	_ = json.Unmarshal(g.session.Cursor(), &at) // without one there is no number
	return at.Seq
}

// The ends of a connection that Discord asks for: with opReconnect, and with opInvalidSession of both kinds.
var (
	errReconnect = errors.New("a new connection was asked for")
	errInvalid   = errors.New("the session is not known any more")
	errResumable = errors.New("the session is to be resumed")
)

// errReshard ends a connection that takes part in another number of shards from now on.
var errReshard = errors.New("the number of shards has changed")

// read hands over what comes, until the connection ends.
func (g *gateway) read(ctx context.Context) error {
	for {
		f, err := g.conn.next()
		if err != nil {
			return err
		}
		switch f.Op {
		case opDispatch:
			err = g.dispatch(ctx, f)
		case opHeartbeat:
			g.conn.askForBeat()
		case opHeartbeatACK:
			g.conn.acked()
		case opReconnect:
			err = errReconnect
		case opInvalidSession:
			err = errInvalid
			if isTrue(f.data()) {
				err = errResumable
			}
		}
		if err != nil {
			return err
		}
	}
}

// withFix adds to an error of the API what the operator has to do.
func withFix(e *integration.Error) *integration.Error {
	if e.Kind != integration.FaultAuth {
		return e
	}
	fixed := *e
	fixed.Message = e.Message + ": " + enterToken
	return &fixed
}

// dispatch hands one event over.
func (g *gateway) dispatch(ctx context.Context, f *frame) error {
	if f.Seq <= 0 {
		return errGarbage
	}
	g.at.Seq, g.heard = f.Seq, true
	var in integration.Incoming
	switch {
	case f.Type == "READY":
		return g.ready(ctx, f)
	case f.Type == "RESUMED":
		if err := g.resumed(ctx); err != nil {
			return err
		}
	case f.Type == "INTERACTION_CREATE":
		if in.Payload = f.data(); in.Payload != nil {
			in.Done = g.answers.expect(in.Payload)
		}
	case readers[f.Type] != nil:
		in.Payload, in.Headers = f.raw, g.headers
	}
	in.Cursor = g.at.encode()
	g.conn.pause(true)
	defer g.conn.pause(false)
	return g.session.Deliver(ctx, in)
}

// ready notes the session that has begun, "Ready".
func (g *gateway) ready(ctx context.Context, f *frame) error {
	var ready struct {
		Session string `json:"session_id"`
		URL     string `json:"resume_gateway_url"`
	}
	if err := payload.Unmarshal(f.data(), &ready); err != nil || ready.Session == "" {
		return errGarbage
	}
	g.at.Session, g.at.URL = ready.Session, ready.URL
	g.headers = inSession(ready.Session)
	if err := g.session.SetCursor(ctx, g.at.encode()); err != nil {
		return err
	}
	g.session.Ready(g.notes()...)
	return nil
}

func (g *gateway) resumed(ctx context.Context) error {
	g.session.Ready(g.notes()...)
	if g.presence == nil {
		return nil
	}
	return g.conn.send(ctx, opPresence, g.presence) // it may have changed since the session began
}

// notes say what Discord leaves out.
func (g *gateway) notes() []string {
	if g.at.Lacks&intentContent == 0 {
		return nil
	}
	return []string{contentNote}
}

// ended makes of the end of a connection what the factory is to do. A session that cannot be resumed is forgotten.
func (g *gateway) ended(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	var e *integration.Error
	fresh := false
	switch {
	case errors.As(err, &e):
		return withFix(e)
	case errors.Is(err, errReconnect) && g.heard, errors.Is(err, errReshard):
		return nil
	case errors.Is(err, errInvalid):
		// "Invalid Session": Discord wants a pause of 1 to 5 s.
		fresh = true
		e = &integration.Error{
			Kind: integration.FaultTransient, Code: codes.ConnectionLost, RetryAfter: time.Second + rand.N(4*time.Second),
			Message: "Gateway: " + err.Error() + "; a new one begins, and what Discord told in between is lost",
		}
	default:
		e, fresh = closed(err, g.asks&^g.at.Lacks)
		// What cannot be read would come again at each resumption.
		fresh = fresh || !g.heard && (errors.Is(err, errGarbage) || isTooLarge(err))
	}
	if !fresh {
		return e
	}
	if err := g.session.SetCursor(ctx, nil); err != nil {
		return err // of ctx
	}
	return e
}
