// Package channelstoretest is what every store of channels has to pass, whatever keeps them.
package channelstoretest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/channelstore"
	"github.com/hiliosai/switchboard/integration"
)

// Backing is what keeps the channels of one test, empty at first.
type Backing struct {
	// Open gives a node's store of the channels; several stores share what they keep. It closes them
	// after the test.
	Open func() channelstore.Store
	// Put replaces all channels behind the back of a store that is read only. Nil for stores that
	// can be written to.
	Put func(channels ...*integration.Channel)
}

type test struct {
	name string
	run  func(b *harness)
}

var testsOfAll = []test{
	{"a channel is found as it was kept", aChannelIsFoundAsItWasKept},
	{"an unknown channel is not found", anUnknownChannelIsNotFound},
	{"an ended context ends everything", anEndedContextEndsEverything},
}

var testsOfReadOnly = []test{
	{"a store that is read only says whose the channels are", whatIsReadOnlySaysWhoseTheChannelsAre},
}

var testsOfWritable = []test{
	{"an applied channel replaces the one before", anAppliedChannelReplacesTheOneBefore},
	{"of many channels all are applied or none", ofManyChannelsAllAreAppliedOrNone},
	{"a channel is created once", aChannelIsCreatedOnce},
	{"a channel is updated in every part", aChannelIsUpdatedInEveryPart},
	{"an update that is refused changes nothing", anUpdateThatIsRefusedChangesNothing},
	{"no update is lost among many writers", noUpdateIsLostAmongManyWriters},
	{"one of many creators wins", oneOfManyCreatorsWins},
	{"channels are listed as asked for", channelsAreListedAsAskedFor},
	{"a removed channel is gone", aRemovedChannelIsGone},
	{"nodes see each other's changes at once", nodesSeeEachOthersChangesAtOnce},
	{"readers never see half of a change", readersNeverSeeHalfOfAChange},
}

// Run runs the suite. start makes a backing for each of the tests.
func Run(t *testing.T, start func(t *testing.T) Backing) {
	t.Helper()
	tests := slices.Concat(testsOfAll, testsOfWritable)
	if start(t).Put != nil {
		tests = slices.Concat(testsOfAll, testsOfReadOnly)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(&harness{t, start(t)}) })
	}
}

type harness struct {
	*testing.T
	Backing
}

// fill puts channels where a store finds them.
func (b *harness) fill(store channelstore.Store, channels ...*integration.Channel) {
	b.Helper()
	if b.Put != nil {
		b.Put(channels...)
		return
	}
	b.apply(store, channels...)
}

func (b *harness) apply(store channelstore.Store, channels ...*integration.Channel) {
	b.Helper()
	require.NoError(b, store.Apply(b.Context(), channels))
}

func (b *harness) get(store channelstore.Store, id string) *integration.Channel {
	b.Helper()
	ch, err := store.Channel(b.Context(), id)
	require.NoError(b, err)
	return ch
}

func (b *harness) ids(store channelstore.Store, q channelstore.Query) []string {
	b.Helper()
	entries, err := store.List(b.Context(), q)
	require.NoError(b, err)
	found := []string{}
	for _, e := range entries {
		require.NoError(b, e.Err)
		found = append(found, e.Channel.ID)
	}
	return found
}

func (b *harness) requireUnavailable(err error) {
	b.Helper()
	var unavailable *channelstore.UnavailableError
	require.ErrorAs(b, err, &unavailable)
	require.True(b, action.AsError(err, "", "").Retryable)
}

func newChannel(id string) *integration.Channel {
	return &integration.Channel{
		ID: id, TenantID: "t1", Platform: "parrot", Name: "Polly", Status: integration.ChannelActive,
		Credentials: map[string]string{"token": "secret-" + id}, Settings: map[string]string{"apiBase": "http://" + id},
	}
}

func aChannelIsFoundAsItWasKept(b *harness) {
	full, bare := newChannel("c1"), &integration.Channel{
		ID: "a.b_c~d-9", TenantID: "t2", Platform: "crow", Status: integration.ChannelInactive,
		Credentials: map[string]string{}, Settings: map[string]string{},
	}
	odd := newChannel("odd")
	odd.Name, odd.Credentials["token"] = "Pölly \" ' <&> \\ 🦜 ", "\x01\n\t\"\u2028 ' -- {}"
	store := b.Open()
	require.NoError(b, store.Check(b.Context()))
	b.fill(store, full, bare, odd)
	for _, want := range []*integration.Channel{full, bare, odd} {
		require.Equal(b, want, b.get(store, want.ID))
	}
}

func anUnknownChannelIsNotFound(b *harness) {
	store := b.Open()
	b.fill(store, newChannel("c1"))
	for _, id := range []string{
		"", "c2", "C1", "c1 ", "c%", "' OR 1=1 --", "c1\x00", "\xff", "ü", strings.Repeat("c", 1000),
	} {
		_, err := store.Channel(b.Context(), id)
		require.ErrorIs(b, err, integration.ErrChannelNotFound, id)
	}
}

func anEndedContextEndsEverything(b *harness) {
	store := b.Open()
	b.fill(store, newChannel("c1"))
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	_, one := store.Channel(ctx, "c1")
	faults := map[string]error{"Channel": one, "Check": store.Check(ctx)}
	if b.Put == nil {
		_, faults["List"] = store.List(ctx, channelstore.Query{})
		_, faults["Update"] = store.Update(ctx, "c1", func(*integration.Channel) error { return nil })
		_, faults["Rotate"] = store.Rotate(ctx)
		faults["Apply"] = store.Apply(ctx, []*integration.Channel{newChannel("c2")})
		faults["Create"], faults["Remove"] = store.Create(ctx, newChannel("c2")), store.Remove(ctx, "c1")
	}
	for name, err := range faults {
		require.ErrorIs(b, err, context.Canceled, name)
		b.requireUnavailable(err)
	}
	require.Equal(b, "c1", b.get(store, "c1").ID)
}

func whatIsReadOnlySaysWhoseTheChannelsAre(b *harness) {
	if b.Put == nil {
		return
	}
	store := b.Open()
	_, listed := store.List(b.Context(), channelstore.Query{})
	_, updated := store.Update(b.Context(), "c1", func(*integration.Channel) error { return nil })
	_, rotated := store.Rotate(b.Context())
	for _, err := range []error{
		listed, updated, rotated, store.Apply(b.Context(), nil), store.Create(b.Context(), newChannel("c1")),
		store.Remove(b.Context(), "c1"),
	} {
		require.ErrorIs(b, err, channelstore.ErrReadOnly)
		require.ErrorContains(b, err, "the channels are managed by the service behind ")
	}
}

func anAppliedChannelReplacesTheOneBefore(b *harness) {
	store := b.Open()
	b.apply(store, newChannel("c1"))
	want := &integration.Channel{
		ID: "c1", TenantID: "t2", Platform: "crow", Status: integration.ChannelInactive,
		Credentials: map[string]string{}, Settings: map[string]string{},
	}
	b.apply(store, want)
	require.Equal(b, want, b.get(store, "c1"))
	require.Equal(b, []string{"c1"}, b.ids(store, channelstore.Query{}))
}

func ofManyChannelsAllAreAppliedOrNone(b *harness) {
	store := b.Open()
	for name, bad := range map[string]*integration.Channel{
		"without an id": newChannel(""), "with a too long id": newChannel(strings.Repeat("x", 257)),
		"with half a character": {ID: "bad", Name: "\xff"},
	} {
		err := store.Apply(b.Context(), []*integration.Channel{newChannel("c1"), bad, newChannel("c2")})
		require.ErrorContains(b, err, "CHANNEL_INVALID", name)
		require.Empty(b, b.ids(store, channelstore.Query{}), name)
	}
	b.apply(store)
	require.Empty(b, b.ids(store, channelstore.Query{}))
}

func aChannelIsCreatedOnce(b *harness) {
	store := b.Open()
	require.NoError(b, store.Create(b.Context(), newChannel("c1")))
	other := newChannel("c1")
	other.Name = "other"
	err := store.Create(b.Context(), other)
	require.ErrorIs(b, err, channelstore.ErrChannelExists)
	require.Equal(b, 409, action.AsError(err, "x", "").Code)
	require.Equal(b, newChannel("c1"), b.get(store, "c1"))
}

func aChannelIsUpdatedInEveryPart(b *harness) {
	store := b.Open()
	b.apply(store, newChannel("c1"), newChannel("c2"))
	want := &integration.Channel{
		ID: "c1", TenantID: "t2", Platform: "crow", Name: "other", Status: integration.ChannelInactive,
		Credentials: map[string]string{"a": "b"}, Settings: map[string]string{"c": "d"},
	}
	got, err := store.Update(b.Context(), "c1", func(ch *integration.Channel) error {
		require.Equal(b, newChannel("c1"), ch)
		*ch = *want
		ch.ID = "c2" // is ignored
		return nil
	})
	require.NoError(b, err)
	require.Equal(b, want, got)
	require.Equal(b, want, b.get(store, "c1"))
	require.Equal(b, newChannel("c2"), b.get(store, "c2"))
}

func anUpdateThatIsRefusedChangesNothing(b *harness) {
	no := errors.New("no")
	store := b.Open()
	b.apply(store, newChannel("c1"))
	_, err := store.Update(b.Context(), "c1", func(ch *integration.Channel) error { ch.Name = "other"; return no })
	require.Equal(b, no, err)
	_, err = store.Update(b.Context(), "c1", func(ch *integration.Channel) error { ch.Name = "\xff"; return nil })
	require.ErrorContains(b, err, "CHANNEL_INVALID")
	_, err = store.Update(b.Context(), "c2", func(*integration.Channel) error { return nil })
	require.ErrorIs(b, err, integration.ErrChannelNotFound)
	require.Equal(b, newChannel("c1"), b.get(store, "c1"))
}

func noUpdateIsLostAmongManyWriters(b *harness) {
	const writers, times = 4, 10
	stores := []channelstore.Store{b.Open(), b.Open()}
	b.apply(stores[0], newChannel("c1"))
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			for range times {
				_, err := stores[i%2].Update(b.Context(), "c1", func(ch *integration.Channel) error {
					n, _ := strconv.Atoi(ch.Settings["count"])
					ch.Settings["count"] = strconv.Itoa(n + 1)
					return nil
				})
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	require.Equal(b, strconv.Itoa(writers*times), b.get(stores[0], "c1").Settings["count"])
}

func oneOfManyCreatorsWins(b *harness) {
	stores := []channelstore.Store{b.Open(), b.Open()}
	errs := make([]error, 6)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			ch := newChannel("c1")
			ch.Name = fmt.Sprint(i)
			errs[i] = stores[i%2].Create(b.Context(), ch)
		})
	}
	all.Wait()
	winner := slices.Index(errs, nil)
	require.Equal(b, fmt.Sprint(winner), b.get(stores[0], "c1").Name)
	for i, err := range errs {
		if i != winner {
			require.ErrorIs(b, err, channelstore.ErrChannelExists)
		}
	}
}

func channelsAreListedAsAskedFor(b *harness) {
	store := b.Open()
	for _, id := range []string{"b", "C", "a", "a-1", "a.1", "z"} {
		ch := newChannel(id)
		if id == "b" || id == "z" {
			ch.TenantID = "t2"
		}
		if id == "a" || id == "z" {
			ch.Platform = "crow"
		}
		b.apply(store, ch)
	}
	for name, test := range map[string]struct {
		query channelstore.Query
		want  []string
	}{
		"all":                      {channelstore.Query{}, []string{"C", "a", "a-1", "a.1", "b", "z"}},
		"of a tenant":              {channelstore.Query{TenantID: "t2"}, []string{"b", "z"}},
		"of a platform":            {channelstore.Query{Platform: "crow"}, []string{"a", "z"}},
		"of both":                  {channelstore.Query{TenantID: "t2", Platform: "crow"}, []string{"z"}},
		"of nobody":                {channelstore.Query{TenantID: "t3"}, []string{}},
		"the first page":           {channelstore.Query{Limit: 2}, []string{"C", "a"}},
		"the next page":            {channelstore.Query{After: "a", Limit: 2}, []string{"a-1", "a.1"}},
		"the last page":            {channelstore.Query{After: "b", Limit: 2}, []string{"z"}},
		"a page of a tenant":       {channelstore.Query{TenantID: "t1", After: "a", Limit: 1}, []string{"a-1"}},
		"of what is no text":       {channelstore.Query{TenantID: "\x00"}, []string{}},
		"of what looks like a SQL": {channelstore.Query{TenantID: "' OR ''='"}, []string{}},
	} {
		require.Equal(b, test.want, b.ids(store, test.query), name)
	}
	entries, err := store.List(b.Context(), channelstore.Query{Limit: 1})
	require.NoError(b, err)
	require.Equal(b, []channelstore.Entry{{Channel: newChannel("C")}}, entries)
}

func aRemovedChannelIsGone(b *harness) {
	store := b.Open()
	b.apply(store, newChannel("c1"), newChannel("c2"))
	require.NoError(b, store.Remove(b.Context(), "c1"))
	require.Equal(b, []string{"c2"}, b.ids(store, channelstore.Query{}))
	_, err := store.Channel(b.Context(), "c1")
	require.ErrorIs(b, err, integration.ErrChannelNotFound)
	for _, id := range []string{"c1", "", "\x00"} {
		require.ErrorIs(b, store.Remove(b.Context(), id), integration.ErrChannelNotFound)
	}
}

func nodesSeeEachOthersChangesAtOnce(b *harness) {
	node, command := b.Open(), b.Open()
	changed := newChannel("c1")
	for i := range 10 {
		changed.Name = fmt.Sprint("name ", i)
		b.apply(command, changed)
		require.Equal(b, changed.Name, b.get(node, "c1").Name)
	}
	require.NoError(b, node.Remove(b.Context(), "c1"))
	_, err := command.Channel(b.Context(), "c1")
	require.ErrorIs(b, err, integration.ErrChannelNotFound)
}

func readersNeverSeeHalfOfAChange(b *harness) {
	node, command := b.Open(), b.Open()
	write := func(name string) error {
		x, y := newChannel("a"), newChannel("b")
		x.Name, y.Name = name, name
		return command.Apply(b.Context(), []*integration.Channel{y, x})
	}
	require.NoError(b, write("start"))
	var writers, readers sync.WaitGroup
	for i := range 2 {
		writers.Go(func() {
			for j := range 15 {
				if err := write(fmt.Sprint(i, j)); err != nil {
					b.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	for range 6 {
		readers.Go(func() {
			for {
				entries, err := node.List(b.Context(), channelstore.Query{})
				if err != nil || len(entries) != 2 || entries[0].Channel.Name != entries[1].Channel.Name {
					b.Error("half of a change was seen", err)
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
}
