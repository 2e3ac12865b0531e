package events_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/events"
)

func TestThePrefixIsPutBeforeEveryName(t *testing.T) {
	for prefix, want := range map[string]string{"": "a.b", "dev": "dev.a.b", "x.y": "x.y.a.b"} {
		t.Run(prefix, func(t *testing.T) {
			b := newBench(t, func(_ *server.Options, o *events.Options) { o.Prefix = prefix })
			require.Equal(t, want, b.Subject("a.b"))
			b.ensure("a.b")
			require.Equal(t, []string{want}, b.info(map[string]string{"": "a_b", "dev": "dev_a_b", "x.y": "x_y_a_b"}[prefix]).Config.Subjects)
		})
	}
}

func TestAStreamIsCreatedAsTheNodeAdapterCreatesIt(t *testing.T) {
	b := newBench(t)
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
	b := newBench(t)
	b.ensure(name, "FAILED_MESSAGES")
	require.NoError(t, b.publish("m1", "x"))
	b.ensure(name, "FAILED_MESSAGES")
	require.ElementsMatch(t, []string{stream, "dev_FAILED_MESSAGES"}, b.streams())
	require.Equal(t, []string{"m1"}, b.stored(stream))
	require.Empty(t, b.warnings())
}

func TestAnExistingStreamIsUsedAsItIs(t *testing.T) {
	for test, want := range map[string]struct {
		config   jetstream.StreamConfig
		replicas int
		warnings []string
	}{
		"of another name":           {jetstream.StreamConfig{Name: "other", Subjects: []string{subject}}, 1, nil},
		"with a limit of its own":   {jetstream.StreamConfig{Name: stream, Subjects: []string{subject}, MaxMsgs: 1000}, 1, []string{"is not as this node makes it: max_msgs 1000"}},
		"with many more subjects":   {jetstream.StreamConfig{Name: "wide", Subjects: []string{"dev.hios.>"}}, 1, nil},
		"in memory":                 {jetstream.StreamConfig{Name: stream, Subjects: []string{subject}, Storage: jetstream.MemoryStorage}, 1, []string{"kept in memory"}},
		"for present consumers":     {jetstream.StreamConfig{Name: stream, Subjects: []string{subject}, Retention: jetstream.InterestPolicy}, 1, []string{"existing consumers only"}},
		"with fewer replicas":       {jetstream.StreamConfig{Name: stream, Subjects: []string{subject}}, 3, []string{"1 replica(s), events.replicas asks for 3"}},
		"with fewer, and in memory": {jetstream.StreamConfig{Name: stream, Subjects: []string{subject}, Storage: jetstream.MemoryStorage}, 3, []string{"kept in memory", "1 replica(s)"}},
	} {
		t.Run(test, func(t *testing.T) {
			b := newBench(t, func(_ *server.Options, o *events.Options) { o.Replicas = want.replicas })
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

func TestAStreamThatDoesNotAcknowledgeIsWarnedOf(t *testing.T) {
	b := newBench(t)
	b.create(jetstream.StreamConfig{Name: stream, Subjects: []string{subject}, NoAck: true})
	b.ensure(name)
	requireTexts(t, []string{"does not acknowledge"}, b.warnings())
}

func TestEnsureSaysWhichStreamItCannotMake(t *testing.T) {
	b := newBench(t)
	b.create(jetstream.StreamConfig{Name: stream, Subjects: []string{"something.else"}})
	require.ErrorContains(t, b.Ensure(t.Context(), name), "create the stream of "+subject)
	require.ErrorIs(t, b.Ensure(t.Context(), name), jetstream.ErrStreamNameAlreadyInUse)
}

func TestEnsureSaysThatJetStreamIsOff(t *testing.T) {
	b := newBench(t, func(o *server.Options, _ *events.Options) { o.JetStream = false })
	require.ErrorIs(t, b.Ensure(t.Context(), name), jetstream.ErrJetStreamNotEnabled)
}

func TestEnsureObeysItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, newBench(t).Ensure(ctx, name), context.Canceled)
}

func TestConsumersUnderAnotherPrefixAreWarnedOf(t *testing.T) {
	const plain, wide = "hios_processing_message_received", "wide"
	for test, want := range map[string]struct {
		namespace string
		stream    jetstream.StreamConfig
		consumer  *jetstream.ConsumerConfig
		warns     bool
	}{
		"a consumer without our prefix":     {"dev", jetstream.StreamConfig{Name: plain, Subjects: []string{name}}, &jetstream.ConsumerConfig{FilterSubject: name}, true},
		"one that filters nothing":          {"dev", jetstream.StreamConfig{Name: plain, Subjects: []string{name}}, &jetstream.ConsumerConfig{}, true},
		"one with the namespace's":          {"prod", jetstream.StreamConfig{Name: wide, Subjects: []string{"prod.>"}}, &jetstream.ConsumerConfig{FilterSubject: "prod." + name}, true},
		"without a namespace, only once":    {"", jetstream.StreamConfig{Name: plain, Subjects: []string{name}}, &jetstream.ConsumerConfig{}, true},
		"a stream that nobody reads":        {"dev", jetstream.StreamConfig{Name: plain, Subjects: []string{name}}, nil, false},
		"a consumer of ours":                {"dev", jetstream.StreamConfig{Name: wide, Subjects: []string{subject}}, &jetstream.ConsumerConfig{FilterSubject: subject}, false},
		"one of ours in a stream with both": {"prod", jetstream.StreamConfig{Name: wide, Subjects: []string{"dev.>", "prod.>"}}, &jetstream.ConsumerConfig{FilterSubject: subject}, false},
	} {
		t.Run(test, func(t *testing.T) {
			b := newBench(t)
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
			requireTexts(t, []string{"but this node publishes to " + subject + ": set events.prefix to what they use"}, b.warnings())
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
