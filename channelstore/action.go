package channelstore

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
)

const (
	// answerTimeout bounds the wait for an answer. Together with firstTimeout it is less than loadTimeout of a Cache.
	answerTimeout = 3 * time.Second
	// firstTimeout bounds the wait for the first node if another one can be asked after it.
	firstTimeout = time.Second
	// nodeRest is how long other nodes are preferred to a node that did not answer.
	nodeRest = 10 * time.Second
	// askRest is how long lookups fail at once after no node has answered. Then one lookup tries again.
	askRest = time.Second
	// maxAsked bounds the lookups in progress.
	maxAsked = 64
)

var errNoAnswer = errors.New("it did not answer a moment ago")

// Directory says which nodes serve an action. If the cluster implements it, an [Action] chooses among the nodes.
type Directory interface {
	NodesOf(action string) []string
}

// Action gets channels by an action of another service, such as "channels.get" with {id}. The answer is the SDK's
// IntegrationConfig or null. The call carries the trace and the meta of the request that needs the channel. The
// channels belong to that service: they cannot be listed or changed here.
//
// If several nodes serve the action and one does not answer, the next one is asked after a second, and first for the
// next ten seconds. Safe for concurrent use.
type Action struct {
	cluster action.Cluster
	name    string
	slots   chan struct{} // of lookups in progress

	mu      sync.Mutex
	turn    int                  // counts lookups, to ask the nodes in turn
	resting map[string]time.Time // until then, by node
	silent  time.Time            // until then nobody is asked, because no node answered
}

var _ Store = (*Action)(nil)

// NewAction returns a store that calls the action of that name.
func NewAction(cluster action.Cluster, name string) *Action {
	return &Action{cluster: cluster, name: name, slots: make(chan struct{}, maxAsked), resting: map[string]time.Time{}}
}

// Channel implements [integration.ChannelStore].
func (a *Action) Channel(ctx context.Context, id string) (*integration.Channel, error) {
	if !possible(id) {
		return nil, integration.ErrChannelNotFound
	}
	ch, err := a.lookUp(ctx, id)
	if err == nil || errors.Is(err, integration.ErrChannelNotFound) {
		return ch, err
	}
	return nil, unavailable("ask "+a.name+" for channel "+id, err)
}

func (a *Action) lookUp(ctx context.Context, id string) (*integration.Channel, error) {
	select {
	case a.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-a.slots }()
	if a.isSilent() {
		return nil, errNoAnswer
	}
	nodes := a.choose()
	for i, node := range nodes {
		timeout := answerTimeout
		if i < len(nodes)-1 {
			timeout = firstTimeout
		}
		asked := time.Now()
		ch, err := a.ask(ctx, node, id, timeout)
		hasty := ctx.Err() != nil && time.Since(asked) < firstTimeout // the caller gave up, so the node is not to blame
		silence, last := isSilence(err) && !hasty, i == len(nodes)-1 || ctx.Err() != nil
		if silence {
			a.rest(node)
		}
		switch {
		case last && silence:
			a.noneAnswered()
			return nil, err
		case !silence && !hasty:
			a.answered()
		}
		if last || !silence && !isRetryable(err) {
			return ch, err
		}
	}
	return nil, errNoAnswer // not reached: there is always one node to ask
}

// ask asks one node; "" lets the cluster choose one.
func (a *Action) ask(ctx context.Context, node, id string, timeout time.Duration) (*integration.Channel, error) {
	params := struct {
		ID string `json:"id"`
	}{id}
	result, err := a.cluster.Call(
		ctx, action.RequestFrom(ctx), a.name, params, action.CallOptions{NodeID: node, Timeout: timeout},
	)
	if err == nil {
		return decodeAnswer(result.Data, id)
	}
	if isNotFound(err) {
		return nil, integration.ErrChannelNotFound
	}
	return nil, err
}

// isSilence says whether there was no answer at all.
func isSilence(err error) bool {
	e, ok := errors.AsType[*action.Error](err)
	return ok && e.Name == action.NameRequestTimeout
}

// isRetryable says whether another node may succeed, because this one is stopping or cannot read its store.
func isRetryable(err error) bool {
	e, ok := errors.AsType[*action.Error](err)
	return ok && e.Retryable
}

// nodes returns the nodes that serve the action, [""] if they are unknown.
func (a *Action) nodes() []string {
	if d, ok := a.cluster.(Directory); ok {
		if nodes := d.NodesOf(a.name); len(nodes) > 0 {
			return nodes
		}
	}
	return []string{""}
}

// choose returns at most two nodes in the order in which they are asked. Those that did not answer lately come last.
func (a *Action) choose() []string {
	nodes := a.nodes()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.turn++
	start, now := a.turn%len(nodes), time.Now()
	nodes = append(slices.Clone(nodes[start:]), nodes[:start]...)
	slices.SortStableFunc(nodes, func(x, y string) int {
		return cmp.Compare(b2i(now.Before(a.resting[x])), b2i(now.Before(a.resting[y])))
	})
	return nodes[:min(2, len(nodes))]
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (a *Action) rest(node string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(a.resting, func(_ string, until time.Time) bool { return !now.Before(until) })
	a.resting[node] = now.Add(nodeRest)
}

func (a *Action) wake(node string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.resting, node)
}

// isSilent says whether lookups fail at once. When askRest is over, one lookup tries again for all.
func (a *Action) isSilent() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if a.silent.IsZero() {
		return false
	}
	if now.Before(a.silent) {
		return true
	}
	a.silent = now.Add(2 * answerTimeout) // longer than that lookup takes, which then sets it anew
	return false
}

func (a *Action) answered() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.silent = time.Time{}
}

func (a *Action) noneAnswered() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.silent = time.Now().Add(askRest)
}

// isNotFound says that the channel is missing, and not the service, which is a 404 too but may start later.
func isNotFound(err error) bool {
	if errors.Is(err, integration.ErrChannelNotFound) {
		return true
	}
	e, ok := errors.AsType[*action.Error](err)
	if !ok || e.Name == action.NameServiceNotFound || e.Name == action.NameServiceNotAvailable {
		return false
	}
	return e.Code == http.StatusNotFound || e.Type == codes.ChannelNotFound || e.Name == "EntityNotFoundError"
}

// Check implements [Store]. It asks each node for a channel that does not exist: one node must answer. Other nodes are
// preferred to those that do not, for a while.
func (a *Action) Check(ctx context.Context) error {
	nodes := a.nodes()
	faults := make([]error, len(nodes))
	var asked sync.WaitGroup
	for i, node := range nodes {
		asked.Go(func() {
			_, err := a.ask(ctx, node, "switchboard-check", answerTimeout)
			switch {
			case err == nil, errors.Is(err, integration.ErrChannelNotFound):
				a.wake(node)
				a.answered()
			default:
				faults[i] = err
				if isSilence(err) && ctx.Err() == nil {
					a.rest(node)
				}
			}
		})
	}
	asked.Wait()
	if slices.Contains(faults, nil) {
		return nil
	}
	return unavailable("ask "+a.name+" whether it answers", errors.Join(faults...))
}

func (a *Action) readOnly() error {
	return action.Client(
		http.StatusMethodNotAllowed, codes.ChannelsReadOnly, "the channels are managed by the service behind %s", a.name,
	).Because(ErrReadOnly)
}

// List returns ErrReadOnly.
func (a *Action) List(context.Context, Query) ([]Entry, error) { return nil, a.readOnly() }

// Apply returns ErrReadOnly.
func (a *Action) Apply(context.Context, []*integration.Channel) error { return a.readOnly() }

// Create returns ErrReadOnly.
func (a *Action) Create(context.Context, *integration.Channel) error { return a.readOnly() }

// Update returns ErrReadOnly.
func (a *Action) Update(context.Context, string, func(*integration.Channel) error) (*integration.Channel, error) {
	return nil, a.readOnly()
}

// Remove returns ErrReadOnly.
func (a *Action) Remove(context.Context, string) error { return a.readOnly() }

// Rotate returns ErrReadOnly.
func (a *Action) Rotate(context.Context) (Rotation, error) { return Rotation{}, a.readOnly() }

// Close implements [Store]. It does not close the cluster.
func (a *Action) Close() error { return nil }

var (
	errNoChannel    = errors.New("the answer is no channel")
	errOtherChannel = errors.New("the answer is another channel")
	errMasked       = errors.New("the answer's credentials are masked")
)

// answer is the SDK's IntegrationConfig. Some services put the channel's id into id, others into channelId and have an
// id of their own in id.
type answer struct {
	ID            text            `json:"id"`
	ChannelID     text            `json:"channelId"`
	TenantID      text            `json:"tenantId"`
	Platform      text            `json:"platform"`
	Name          text            `json:"name"`
	Status        text            `json:"status"`
	Credentials   map[string]text `json:"credentials"`
	Settings      map[string]text `json:"settings"`
	WebhookSecret text            `json:"webhookSecret"`
	VerifyToken   text            `json:"verifyToken"`
}

// decodeAnswer decodes an answer as the channel with the id. Its errors quote nothing of it.
func decodeAnswer(data []byte, id string) (*integration.Channel, error) {
	data = bytes.TrimSpace(data)
	if len(data) == 0 || bytes.Equal(data, []byte("null")) {
		return nil, integration.ErrChannelNotFound
	}
	var a answer
	if json.Unmarshal(data, &a) != nil || a.ID == "" && a.ChannelID == "" {
		return nil, errNoChannel
	}
	if string(a.ID) != id && string(a.ChannelID) != id {
		return nil, errOtherChannel
	}
	ch := &integration.Channel{
		ID: id, TenantID: string(a.TenantID), Platform: string(a.Platform), Name: string(a.Name),
		Status:      strings.ToUpper(cmp.Or(string(a.Status), integration.ChannelActive)),
		Credentials: texts(a.Credentials), Settings: texts(a.Settings),
	}
	for name, secret := range map[string]text{"webhookSecret": a.WebhookSecret, "verifyToken": a.VerifyToken} {
		if ch.Credentials[name] == "" && secret != "" {
			ch.Credentials[name] = string(secret)
		}
	}
	for _, secret := range ch.Credentials {
		if integration.IsMasked(secret) { // the service shows channels to people, as Switchboard's own does
			return nil, errMasked
		}
	}
	return ch, nil
}

func texts(values map[string]text) map[string]string {
	maps.DeleteFunc(values, func(_ string, v text) bool { return v == "" })
	m := make(map[string]string, len(values))
	for name, v := range values {
		m[name] = string(v)
	}
	return m
}

// text is any JSON value as text: a string is itself, null is empty, and all else is JSON, so that numbers keep all
// their digits.
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(data []byte) error {
	switch data[0] {
	case '"':
		return json.Unmarshal(data, (*string)(t))
	case 'n':
		*t = ""
		return nil
	}
	var compact bytes.Buffer
	err := json.Compact(&compact, data)
	*t = text(compact.String())
	return err
}
