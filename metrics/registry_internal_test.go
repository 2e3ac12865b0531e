package metrics

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

var described = regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: \{([^}]*)\}`)

func TestRegistryCountsFamiliesThatAreListed(t *testing.T) {
	t.Parallel()
	for channels, label := range map[int]string{0: "", 3: "channel"} {
		r := New(Options{Namespace: "hios", NodeID: "n1", Channels: channels})
		descs := make(chan *prometheus.Desc, 1000)
		r.prom.Describe(descs)
		close(descs)
		counted := 0
		for d := range descs {
			match := described.FindStringSubmatch(d.String())
			require.NotNil(t, match, d.String())
			f := r.families[match[1]]
			if f == nil {
				require.Regexp(t, "^(go|process)_", match[1], "a family that is not listed")
				continue
			}
			counted++
			require.Equal(t, strings.Join(f.Labels, ","), match[2], f.Name)
		}
		require.Greater(t, counted, 30)
		require.Equal(t, label != "", slices.Contains(r.families["switchboard_sends_total"].Labels, "channel"))
		require.NotContains(t, sends.Labels, "channel", "the other registry has its own")
	}
}

func TestFamilyIsListedOnce(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, f := range Families() {
		require.False(t, seen[f.PrometheusName()], f.Name)
		require.NotEmpty(t, f.Description, f.Name)
		seen[f.PrometheusName()] = true
	}
}

func TestChannelsBeyondTheBoundShareALabel(t *testing.T) {
	t.Parallel()
	r := New(Options{Channels: 2})
	p := r.Platform("telegram")
	for _, id := range []string{"a", "b", "c", "d", "a"} {
		p.Channel(id).Webhook(time.Now(), Stored)
	}
	list, err := r.List(func(_ Kind, name string) bool { return name == "switchboard.webhooks.total" })
	require.NoError(t, err)
	counts := map[string]any{}
	for _, v := range list[0].Values {
		if channel := v.Labels["channel"]; channel != nil && *v.Labels["outcome"] == "stored" {
			counts[*channel] = v.Value
		}
	}
	require.Equal(t, map[string]any{"a": 2.0, "b": 1.0, "other": 2.0}, counts)
}

func TestNothingIsCountedWithoutARegistry(t *testing.T) {
	t.Parallel()
	var r *Registry
	r.Read(nil)
	r.PlatformCall("telegram sendMessage", 200, time.Now())
	r.Events().Sent("x")
	consumer := r.Events().Consumer(Consumed{})
	consumer.Begin()
	consumer.End(time.Now(), nil)
	consumer.Retried()
	consumer.DeadLettered()
	c := r.Cluster()
	c.Begin(Call{}, 1).End(time.Now(), nil)
	c.Handle(Listener{}).End(time.Now(), true)
	c.Sent(Emitted, "x")
	c.PacketSent("REQ", 1)
	c.PacketReceived("REQ", 1)
	c.Orphan()
	c.Retried("x")
	p := r.Platform("telegram")
	p.DeadLettered()
	p.Claimed("mine")
	p.Degraded("x")
	p.Recovered("x")
	p.Channel("c").Webhook(time.Now(), Stored)
	p.Channel("c").Messages(Stored, 1)
	p.Channel("c").Sent(time.Now(), "sent", "")
	p.Channel("c").Throttled(time.Second)
}

func TestMethodWithAnIDIsNoLabel(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"sendMessage": "sendMessage", "get current user": "get current user", "": "null",
		"me?fields=id": other, "109876543210/messages": other, "v23.0": "v23.0",
	} {
		require.Equal(t, want, methodOf(name))
	}
}

// webhookOf counts what one webhook does to a node, from its request to its answer.
func webhookOf(r *Registry) func() {
	p, c, events := r.Platform("telegram"), r.Cluster(), r.Events()
	call := Call{Service: "telegram", Action: "telegram.i_receiveWebhook", Caller: "gateway"}
	return func() {
		now := time.Now()
		c.PacketReceived("REQ", 1000)
		request := c.Begin(call, 1)
		events.Sent("hios.processing.message.received")
		channel := p.Channel("shop")
		channel.Messages(Stored, 1)
		channel.Messages(Duplicate, 0)
		channel.Webhook(now, Stored)
		request.End(now, nil)
		c.PacketSent("RES", 200)
	}
}

func BenchmarkWebhook(b *testing.B) {
	count := webhookOf(New(Options{Namespace: "hios", NodeID: "n1", Channels: 10}))
	b.ReportAllocs()
	for b.Loop() {
		count()
	}
}

// Not parallel: AllocsPerRun counts the allocations of all goroutines.
func TestWebhookIsCountedWithoutAnAllocation(t *testing.T) {
	for _, channels := range []int{0, 10} {
		require.Zero(t, testing.AllocsPerRun(1000, webhookOf(New(Options{Channels: channels}))))
	}
}
