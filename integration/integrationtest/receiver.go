package integrationtest

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// Receiver is a platform whose [integration.Receiver] is tested by [RunReceiver].
type Receiver struct {
	Define func(*httpapi.Client) integration.Definition
	// Channel returns a channel that receives over connections, with its API at [ClusterURL].
	Channel func() *integration.Channel
	// Fake returns the platform, a fresh one for every law.
	Fake func() ReceiverFake
	// Unordered says that the platform itself keeps no order, such as one that spreads events over several connections.
	Unordered bool
}

// ReceiverFake is a platform's fake as the suite drives it.
type ReceiverFake struct {
	API   http.Handler
	Close func() // ends what is under way; nil for nothing
	// Push sends one message with this text, of at most 1,600 characters. All are of one conversation.
	Push func(text string)
	// PushLarge sends one with so much padding in a member that nobody reads. The padding has 10 MB.
	PushLarge func(text, padding string)
	// Refuse has the platform refuse the channel's credentials, or take them again.
	Refuse func(refuse bool)
	// Garbage sends what cannot be read, on the connections that are there or with the next answer.
	Garbage func()
}

// RunReceiver holds a receiver to the laws that every one keeps. Each is a subtest in a bubble of testing/synctest, so
// that pauses of minutes take no time. Beside its own law each one checks that nodes stop in time, that the platform is
// not asked without a pause, and that no secret of the channel is in what the nodes write: logs, states, cursors,
// events. Nothing is redacted there, so that a secret is found where the platform's own code lets it out.
func RunReceiver(t *testing.T, r Receiver) {
	t.Helper()
	for _, law := range []struct {
		name string
		test func(*receiverTrial)
	}{
		{"what comes is stored in order", (*receiverTrial).order},
		{"nothing is lost while the stream is away", (*receiverTrial).durability},
		{"a stream that is away for long holds the platform back", (*receiverTrial).backpressure},
		{"an owner that dies loses and doubles nothing", (*receiverTrial).takeOver},
		{"what is not durable comes again when its owner died", (*receiverTrial).confirmation},
		{"an owner that loses the other nodes stores nothing", (*receiverTrial).loneliness},
		{"an owner that stops loses and doubles nothing", (*receiverTrial).handOver},
		{"a stop during delivery loses and doubles nothing", (*receiverTrial).stopDuringDelivery},
		{"refused credentials are told, and tried again calmly", (*receiverTrial).refused},
		{"a platform that restarts is found again", (*receiverTrial).restart},
		{"a silent connection is opened anew", (*receiverTrial).silence},
		{"garbage ends nothing for good", (*receiverTrial).garbage},
		{"a channel that is switched off is not connected", (*receiverTrial).switchedOff},
		{"a channel that is removed is not connected", (*receiverTrial).removed},
		{"a channel that is changed is connected anew", (*receiverTrial).changed},
		{"wrong credentials are told, and right ones taken at once", (*receiverTrial).wrongCredentials},
		{"an acknowledgement that is lost doubles nothing", (*receiverTrial).lostAcknowledgement},
		{"no more is taken than may wait", (*receiverTrial).bounded},
		{"a message of 10 MB ends nothing", (*receiverTrial).large},
		{"messages of 10 MB wait at the platform", (*receiverTrial).largeBounded},
		{"a message of 60 MB is not taken in", (*receiverTrial).tooLarge},
		{"a receiver ends when its ctx does", (*receiverTrial).ends},
	} {
		t.Run(law.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := r.Fake()
				x := &receiverTrial{
					T: t, r: r, fake: fake, Cluster: NewCluster(t, r.Define, r.Channel(), fake.API, fake.Close),
				}
				x.mostRequests = mostRequests
				defer x.Close()
				law.test(x)
				x.requireNoSecrets()
			})
		})
	}
}

// mostRequests is how many requests a law may take. The laws of our platforms take some hundreds.
const mostRequests = 20_000

// opened is long enough for connections to be opened, or to be taken over and opened again.
const opened = time.Minute

type receiverTrial struct {
	*testing.T
	*Cluster
	r       Receiver
	fake    ReceiverFake
	pushed  int
	missing []int // that were left out, and told of
}

// pass lets time go by.
func (*receiverTrial) pass(d time.Duration) { <-time.After(d) }

func (x *receiverTrial) push(n int) {
	for range n {
		x.pushed++
		x.fake.Push(fmt.Sprint("item ", x.pushed))
	}
}

var itemText = regexp.MustCompile(`"item (\d+)[" ]`)

// items are the numbers of what is stored, in its order.
func (x *receiverTrial) items() []int {
	var list []int
	for _, payload := range x.Stream.Payloads() {
		if found := itemText.FindStringSubmatch(payload); found != nil {
			n, err := strconv.Atoi(found[1])
			require.NoError(x, err)
			list = append(list, n)
		}
	}
	return list
}

// requireAll checks that all that was pushed is stored, once and in order.
func (x *receiverTrial) requireAll() {
	x.Helper()
	var want []int
	for n := range x.pushed {
		if !slices.Contains(x.missing, n+1) {
			want = append(want, n+1)
		}
	}
	got := x.items()
	if x.r.Unordered {
		slices.Sort(got)
	}
	require.Equal(x, want, got)
}

// requireNoSecrets looks for the channel's secrets in all that the nodes wrote.
func (x *receiverTrial) requireNoSecrets() {
	x.Helper()
	for _, written := range []struct{ what, text string }{
		{"the log", x.Logs()},
		{"what nodes tell each other: states and cursors", x.wrote.String()},
		{"the events", strings.Join(x.Stream.Payloads(), "\n")},
	} {
		for name, secret := range x.secrets() {
			for line := range strings.Lines(written.text) {
				if strings.Contains(line, secret) {
					x.Errorf("the secret %s is in %s: %.300s", name, written.what, line)
					break
				}
			}
		}
	}
}

// secrets are the values of the channel's secret fields, by name.
func (x *receiverTrial) secrets() map[string]string {
	ch, secrets := x.r.Channel(), map[string]string{}
	for _, f := range x.r.Define(nil).Fields {
		if value := ch.Credentials[f.Name]; f.In == integration.InCredentials && f.Secret && value != "" {
			secrets[f.Name] = value
		}
	}
	return secrets
}
