package events_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/events"
)

func TestSubjectBeginsWithThePrefix(t *testing.T) {
	for prefix, want := range map[string]string{"": "a.b", "dev": "dev.a.b", "x.y": "x.y.a.b"} {
		t.Run(prefix, func(t *testing.T) {
			b := newHarness(t, func(_ *server.Options, o *events.Options) { o.Prefix = prefix })
			require.Equal(t, want, b.Subject("a.b"))
			b.ensure("a.b")
			require.Equal(
				t, []string{want},
				b.info(map[string]string{"": "a_b", "dev": "dev_a_b", "x.y": "x_y_a_b"}[prefix]).Config.Subjects,
			)
		})
	}
}

func TestEnsureCreatesAStreamAsTheNodeAdapterDoes(t *testing.T) {
	b := newHarness(t)
	b.ensure(name)
	ours := b.info(stream).Config

	// What @moleculer/channels asks for, in its own words.
	request, err := json.Marshal(map[string]any{"name": "theirs", "subjects": []string{"theirs"}})
	require.NoError(t, err)
	_, err = b.js.Conn().RequestWithContext(t.Context(), "$JS.API.STREAM.CREATE.theirs", request)
	require.NoError(t, err)
	theirs := b.info("theirs").Config

	require.Equal(t, stream, ours.Name)
	require.Equal(t, []string{subject}, ours.Subjects)
	theirs.Name, theirs.Subjects = ours.Name, ours.Subjects
	require.Equal(t, theirs, ours)
}

func TestEnsureMayBeRepeated(t *testing.T) {
	b := newHarness(t)
	b.ensure(name, "FAILED_MESSAGES")
	require.NoError(t, b.publish("m1", "x"))
	b.ensure(name, "FAILED_MESSAGES")
	require.ElementsMatch(t, []string{stream, "dev_FAILED_MESSAGES"}, b.streams())
	require.Equal(t, []string{"m1"}, b.stored(stream))
	require.Empty(t, b.warnings())
}

func TestEnsureUsesAnExistingStreamAsItIs(t *testing.T) {
	for test, want := range map[string]struct {
		config   jetstream.StreamConfig
		replicas int
		warnings []string
	}{
		"of another name": {jetstream.StreamConfig{Name: "other", Subjects: []string{subject}}, 1, nil},
		"with a limit of its own": {jetstream.StreamConfig{
			Name: stream, Subjects: []string{subject}, MaxMsgs: 1000,
		}, 1, nil},
		"with many more subjects": {jetstream.StreamConfig{Name: "wide", Subjects: []string{"dev.hios.>"}}, 1, nil},
		"in memory": {jetstream.StreamConfig{
			Name: stream, Subjects: []string{subject}, Storage: jetstream.MemoryStorage,
		}, 1, []string{"kept in memory"}},
		"for present consumers": {jetstream.StreamConfig{
			Name: stream, Subjects: []string{subject}, Retention: jetstream.InterestPolicy,
		}, 1, []string{"existing consumers only"}},
		"with fewer replicas": {jetstream.StreamConfig{Name: stream, Subjects: []string{subject}}, 3, []string{
			"1 replica(s), events.replicas asks for 3",
		}},
		"with fewer, and in memory": {
			jetstream.StreamConfig{Name: stream, Subjects: []string{subject}, Storage: jetstream.MemoryStorage},
			3,
			[]string{"kept in memory", "1 replica(s)"},
		},
	} {
		t.Run(test, func(t *testing.T) {
			b := newHarness(t, func(_ *server.Options, o *events.Options) { o.Replicas = want.replicas })
			b.create(want.config)
			before := b.info(want.config.Name).Config
			b.ensure(name)
			require.Equal(t, []string{want.config.Name}, b.streams())
			require.Equal(t, before, b.info(want.config.Name).Config)
			require.NoError(t, b.publish("m1", "x"))
			requireTexts(t, want.warnings, b.warnings())
		})
	}
}

func TestEnsureWarnsOfAStreamWithoutAcks(t *testing.T) {
	b := newHarness(t)
	b.create(jetstream.StreamConfig{Name: stream, Subjects: []string{subject}, NoAck: true})
	b.ensure(name)
	requireTexts(t, []string{"does not acknowledge"}, b.warnings())
}

func TestEnsureSaysWhichStreamItCannotMake(t *testing.T) {
	b := newHarness(t)
	b.create(jetstream.StreamConfig{Name: stream, Subjects: []string{"something.else"}})
	require.ErrorContains(t, b.Ensure(t.Context(), name), "create the stream of "+subject)
	require.ErrorIs(t, b.Ensure(t.Context(), name), jetstream.ErrStreamNameAlreadyInUse)
}

func TestEnsureSaysThatJetStreamIsOff(t *testing.T) {
	b := newHarness(t, func(o *server.Options, _ *events.Options) { o.JetStream = false })
	require.ErrorIs(t, b.Ensure(t.Context(), name), jetstream.ErrJetStreamNotEnabled)
}

func TestEnsureObeysItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, newHarness(t).Ensure(ctx, name), context.Canceled)
}

func TestWarnOfOtherPrefixFindsConsumers(t *testing.T) {
	const plain, wide = "hios_processing_message_received", "wide"
	for test, want := range map[string]struct {
		namespace string
		stream    jetstream.StreamConfig
		consumer  *jetstream.ConsumerConfig
		warns     bool
	}{
		"a consumer without our prefix": {"dev", jetstream.StreamConfig{
			Name: plain, Subjects: []string{name},
		}, &jetstream.ConsumerConfig{FilterSubject: name}, true},
		"one that filters nothing": {"dev", jetstream.StreamConfig{
			Name: plain, Subjects: []string{name},
		}, &jetstream.ConsumerConfig{}, true},
		"one with the namespace's": {"prod", jetstream.StreamConfig{
			Name: wide, Subjects: []string{"prod.>"},
		}, &jetstream.ConsumerConfig{FilterSubject: "prod." + name}, true},
		"without a namespace, only once": {"", jetstream.StreamConfig{
			Name: plain, Subjects: []string{name},
		}, &jetstream.ConsumerConfig{}, true},
		"a stream that nobody reads": {"dev", jetstream.StreamConfig{
			Name: plain, Subjects: []string{name},
		}, nil, false},
		"a consumer of ours": {"dev", jetstream.StreamConfig{
			Name: wide, Subjects: []string{subject},
		}, &jetstream.ConsumerConfig{FilterSubject: subject}, false},
		"one of ours in a stream with both": {
			"prod",
			jetstream.StreamConfig{Name: wide, Subjects: []string{"dev.>", "prod.>"}},
			&jetstream.ConsumerConfig{FilterSubject: subject}, false,
		},
	} {
		t.Run(test, func(t *testing.T) {
			b := newHarness(t)
			b.create(want.stream)
			if want.consumer != nil {
				want.consumer.Durable = "v2_sub"
				_, err := b.js.CreateConsumer(t.Context(), want.stream.Name, *want.consumer)
				require.NoError(t, err)
			}
			b.WarnOfOtherPrefix(t.Context(), want.namespace, name, "FAILED_MESSAGES")
			if !want.warns {
				require.Empty(t, b.warnings())
				return
			}
			requireTexts(
				t, []string{"but this node publishes to " + subject + ": set events.prefix to what they use"}, b.warnings(),
			)
		})
	}
}

// requireTexts checks that there is a text for each part, and no other.
func requireTexts(t *testing.T, parts, texts []string) {
	t.Helper()
	require.Len(t, texts, len(parts), "%q", texts)
	for i, part := range parts {
		require.Contains(t, texts[i], part)
	}
}

func TestEnsureCreatesStreamsWithTheConfiguredLimits(t *testing.T) {
	b := newHarness(t, watchful, func(_ *server.Options, o *events.Options) {
		o.Limits, o.DeadLetters = events.Limits{MaxAge: time.Hour, MaxBytes: 1 << 20}, events.Limits{
			MaxAge: 24 * time.Hour, MaxBytes: 2 << 20,
		}
		o.Queues = []string{"FAILED_MESSAGES"}
	})
	sub := subscription(newInbox())
	sub.DeadLetters = "DEAD"
	b.consume(sub)
	b.ensure("FAILED_MESSAGES")
	for name, want := range map[string][]any{
		stream: {time.Hour, int64(1 << 20)}, "dev_FAILED_MESSAGES": {24 * time.Hour, int64(2 << 20)},
		"dev_DEAD": {24 * time.Hour, int64(2 << 20)},
	} {
		config := b.info(name).Config
		require.Equal(t, want, []any{config.MaxAge, config.MaxBytes}, name)
		require.Equal(t, 2*time.Minute, config.Duplicates)
	}
	require.Empty(t, b.warnings())
	again := b.member("node-2") // which is asked for none
	require.NoError(t, again.Ensure(t.Context(), name, "FAILED_MESSAGES"))
	require.Empty(t, b.warnings())
}

func TestEnsureLogsForeignLimitsWithoutAWarning(t *testing.T) {
	limited := jetstream.StreamConfig{
		Name: stream, Subjects: []string{subject}, MaxAge: time.Hour, MaxMsgs: 9, MaxBytes: 1 << 20, MaxMsgsPerSubject: 8,
		MaxMsgSize: 4096, Discard: jetstream.DiscardNew,
	}
	for test, want := range map[string]struct {
		asked    events.Limits
		warnings []string
	}{
		"where none are asked for":     {events.Limits{}, nil},
		"where the same are asked for": {events.Limits{MaxAge: time.Hour, MaxBytes: 1 << 20}, nil},
		"where others are, they differ": {events.Limits{MaxAge: 2 * time.Hour, MaxBytes: 2 << 20}, []string{
			"has max_age 1h0m0s, events.maxAge is 2h0m0s: change the stream (nats stream edit " + stream + " --max-age=2h0m0s)",
			"has max_bytes 1048576, events.maxMB is 2: change the stream (nats stream edit " + stream + " --max-bytes=2097152)",
		}},
	} {
		t.Run(test, func(t *testing.T) {
			b := newHarness(t, func(_ *server.Options, o *events.Options) { o.Limits = want.asked })
			b.create(limited)
			b.ensure(name)
			requireTexts(t, want.warnings, b.warnings())
			var told []string
			for _, e := range b.logs.AllEntries() {
				if e.Level == logrus.InfoLevel {
					told = append(told, e.Message)
				}
			}
			requireTexts(t, []string{"has limits: max_age 1h0m0s, max_msgs 9, max_bytes 1048576, max_msgs_per_subject 8, " +
				"max_msg_size 4096, discard DiscardNew"}, told)
		})
	}
}

func TestErrorOfAFullJetStreamIsErrStorageFull(t *testing.T) {
	small := func(o *server.Options, e *events.Options) {
		o.JetStreamMaxStore, e.Timeout = 256<<10, 5*time.Second // enough for what is taken
	}
	fill := func(b *harness, size int) error {
		for i := range 100 {
			if err := b.publish(fmt.Sprint("m", i), strings.Repeat("x", size)); err != nil {
				return err
			}
		}
		return nil
	}
	for test, cause := range map[string]func(*harness) error{
		"the storage of the server": func(b *harness) error {
			b.ensure(name)
			return fill(b, 10<<10)
		},
		"a stream by its bytes": func(b *harness) error {
			b.create(
				jetstream.StreamConfig{
					Name: stream, Subjects: []string{subject}, MaxBytes: 20 << 10, Discard: jetstream.DiscardNew,
				},
			)
			return fill(b, 10<<10)
		},
		"a stream by its number": func(b *harness) error {
			b.create(
				jetstream.StreamConfig{Name: stream, Subjects: []string{subject}, MaxMsgs: 1, Discard: jetstream.DiscardNew},
			)
			return fill(b, 1)
		},
		"no room for another stream": func(b *harness) error {
			b.create(jetstream.StreamConfig{Name: "all", Subjects: []string{"all"}, MaxBytes: 250 << 10})
			p, err := events.New(
				b.nc,
				events.Options{
					Prefix: "dev", Replicas: 1, Timeout: 5 * time.Second, Limits: events.Limits{MaxBytes: 100 << 10}, Log: b.log,
				},
			)
			require.NoError(b.t, err)
			return p.Ensure(b.t.Context(), name)
		},
	} {
		t.Run(test, func(t *testing.T) {
			t.Parallel()
			err := cause(newHarness(t, small))
			require.ErrorIs(t, err, events.ErrStorageFull)
			require.ErrorContains(t, err, "JetStream's storage is full: ")
			require.NotContains(t, err.Error(), "context deadline exceeded")
			require.NotContains(t, err.Error(), "err_code")
		})
	}
}

func TestErrorOfAnotherKindIsNotErrStorageFull(t *testing.T) {
	b := newHarness(t, func(_ *server.Options, e *events.Options) { e.Timeout = 200 * time.Millisecond })
	b.create(jetstream.StreamConfig{Name: stream, Subjects: []string{subject}, MaxMsgSize: 10})
	require.NotErrorIs(t, b.publish("m1", strings.Repeat("x", 100)), events.ErrStorageFull)
	b.create(jetstream.StreamConfig{Name: "dev_other", Subjects: []string{"else"}})
	require.NotErrorIs(t, b.Ensure(t.Context(), "other"), events.ErrStorageFull)
}
