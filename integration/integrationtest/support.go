package integrationtest

import (
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
)

// actionOf is the message action that a feature is.
var actionOf = map[integration.Feature]string{
	integration.FeatureReaction: integration.ActionReact,
	integration.FeatureEdit:     integration.ActionEditMessage,
	integration.FeatureDelete:   integration.ActionDeleteMessage,
	integration.FeatureTyping:   integration.ActionTyping,
	integration.FeatureMarkRead: integration.ActionMarkRead,
	integration.FeatureMedia:    integration.ActionGetMedia,
}

// evasive finds notes that promise instead of telling what is.
var evasive = regexp.MustCompile(`(?i)not yet|todo|later version|not implemented|planned`)

// testSupport holds a platform to what it tells about itself.
func testSupport(t *testing.T, p Platform) {
	t.Helper()
	t.Run("the table is complete", func(t *testing.T) { testTable(t, p.Definition.Support) })
	t.Run("a webhook shows what can come in", func(t *testing.T) { testShownIn(t, p) })
	t.Run("a send shows what can go out", func(t *testing.T) { testShownOut(t, p) })
	t.Run("a message action is there if it is possible", func(t *testing.T) { testActions(t, p) })
	t.Run("what is impossible is refused, and not sent", func(t *testing.T) { testImpossible(t, p) })
}

func testTable(t *testing.T, table integration.Support) {
	t.Helper()
	for _, f := range integration.Features() {
		require.Contains(t, table, f, "the table has nothing about %s", f)
		for direction, side := range map[string]struct {
			has  bool
			cell integration.Cell
		}{"in": {f.Inbound(), table[f].In}, "out": {f.Outbound(), table[f].Out}} {
			where, cell := string(f)+" "+direction, side.cell
			if !side.has {
				require.Empty(t, cell, "%s: there is no such thing", where)
				continue
			}
			require.NotRegexp(t, evasive, cell.Note, where)
			switch cell.Level {
			case integration.LevelFull:
				require.Empty(t, cell.Note, "%s: what is full needs no excuse", where)
			case integration.LevelDegraded:
				require.NotEmpty(t, cell.Note, "%s must tell what is lost", where)
			case integration.LevelImpossible:
				require.NotEmpty(t, cell.Note, "%s must tell why", where)
				source, err := url.Parse(cell.Source)
				require.True(
					t, err == nil && source.Scheme == "https" && source.Host != "",
					"%s must name the platform's documentation, not %q", where, cell.Source,
				)
			default:
				require.Fail(t, "a cell without a level", "%s: %q", where, cell.Level)
			}
		}
	}
	for f := range table {
		require.Contains(t, integration.Features(), f, "there is no such feature")
	}
}

func testShownIn(t *testing.T, p Platform) {
	t.Helper()
	b := newHarness(t, p, marking)
	shown := map[integration.Feature]bool{}
	for _, w := range p.Webhooks {
		_, err := b.genuine(w)
		require.NoError(t, err, w.Name)
		for _, e := range b.events.take() {
			m := messageOf(t, e)
			requirePossible(t, p, w.Name, m)
			for _, f := range m.Features() {
				shown[f] = true
			}
		}
	}
	for _, w := range p.Incoming {
		messages, err := p.Definition.Platform.Normalize(t.Context(), &integration.Webhook{
			TenantID: b.channel.TenantID, ChannelID: b.channel.ID, Platform: p.Definition.Name, Channel: b.channel,
			Connection: true, Payload: w.Body, RawBody: w.Body, Timestamp: time.Now(),
		})
		require.NoError(t, err, w.Name)
		for _, m := range messages {
			requirePossible(t, p, w.Name, m)
			for _, f := range m.Features() {
				shown[f] = true
			}
		}
	}
	for _, f := range integration.Features() {
		if !f.Inbound() || f == integration.FeatureMedia {
			continue
		}
		level := p.Definition.Support[f].In.Level
		require.True(
			t, level == integration.LevelImpossible || shown[f], "%s is told to be %s inbound, and no webhook shows it", f,
			level,
		)
	}
}

// requirePossible checks that a message which came in shows nothing that the platform says cannot come.
func requirePossible(tb testing.TB, p Platform, name string, m integration.Message) {
	tb.Helper()
	for _, f := range m.Features() {
		require.NotEqual(
			tb, integration.LevelImpossible, p.Definition.Support[f].In.Level,
			"%s shows %s, which is told to be impossible inbound", name, f,
		)
	}
}

func testShownOut(t *testing.T, p Platform) {
	t.Helper()
	shown, admitted := map[integration.Feature]bool{}, map[integration.Feature]bool{}
	for _, s := range p.Sends {
		if s.Action != "" {
			continue
		}
		v := newScripted(t, p, s).do(s)
		if v.kind != delivered {
			continue
		}
		var losses []integration.Feature
		degraded := v.degraded(t)
		for _, loss := range degraded {
			name, _, ok := strings.Cut(loss, "→")
			require.True(t, ok, "%s: metadata.degraded must hold entries such as location→text, not %q", s.Name, loss)
			losses = append(losses, integration.Feature(name))
			admitted[integration.Feature(name)] = true
		}
		all := true
		for _, f := range s.Message.Features() {
			shown[f] = true
			level := p.Definition.Support[f].Out.Level
			require.False(
				t, level == integration.LevelFull && slices.Contains(losses, f),
				"%s: %s is told to be full outbound, and the result says %v", s.Name, f, degraded,
			)
			all = all && level == integration.LevelFull
		}
		require.False(
			t, all && len(losses) > 0, "%s: all of it is told to be full outbound, and the result says %v", s.Name, degraded,
		)
	}
	for _, f := range integration.Features() {
		if actionOf[f] != "" || !f.Outbound() {
			continue
		}
		switch p.Definition.Support[f].Out.Level {
		case integration.LevelFull:
			require.True(t, shown[f], "%s is told to be full outbound, and no send that succeeds shows it", f)
		case integration.LevelDegraded:
			if p.Definition.Support[f].Out.AsText {
				continue // the factory does it, and is tested
			}
			require.True(t, shown[f], "%s is told to be degraded outbound, and no send that succeeds shows it", f)
			require.True(t, admitted[f],
				"%s is declared as degraded outbound, and no send's metadata.degraded says %s→…", f, f)
		default:
		}
	}
}

// degraded is what a result says was lost.
func (v sendOutcome) degraded(tb testing.TB) []string {
	tb.Helper()
	var result struct{ Metadata struct{ Degraded []string } }
	require.NoError(tb, json.Unmarshal(v.result, &result), "metadata.degraded must be a list of texts")
	return result.Metadata.Degraded
}

func testActions(t *testing.T, p Platform) {
	t.Helper()
	var offered []string
	for _, a := range newHarness(t, p).service.Schema().Actions {
		offered = append(offered, a.Name)
	}
	for _, f := range integration.Features() {
		name := actionOf[f]
		if name == "" {
			continue
		}
		cell := p.Definition.Support[f].Out
		if !f.Outbound() {
			cell = p.Definition.Support[f].In
		}
		if cell.Level == integration.LevelImpossible {
			require.NotContains(t, offered, name, "%s is told to be impossible", f)
			continue
		}
		require.Contains(t, offered, name, "%s is told to be %s", f, cell.Level)
		require.True(t, slices.ContainsFunc(p.Sends, func(s Send) bool {
			return s.Action == name && newScripted(t, p, s).do(s).kind == delivered
		}), "%s is told to be %s, and no entry of Platform.Sends with the action %s succeeds", f, cell.Level, name)
	}
}

func testImpossible(t *testing.T, p Platform) {
	t.Helper()
	first := p.Sends[0].Message
	for _, f := range integration.Features() {
		if p.Definition.Support[f].Out.Level != integration.LevelImpossible {
			continue
		}
		b := newHarness(t, p)
		m := integration.Message{To: first.To, ConversationID: first.ConversationID, ThreadID: first.ThreadID}
		if f == integration.FeatureReply || f == integration.FeatureThread { // the message is worth more than its place
			m.Content = first.Content
			if f == integration.FeatureReply {
				m.ReplyTo = &integration.ReplyTo{MessageID: "1"}
			} else {
				m.ThreadID = "1"
			}
			v := b.send(m, time.Minute)
			require.Equal(t, delivered, v.kind, "%s: %+v", f, v)
			require.Contains(t, v.degraded(t), string(f)+"→none")
			continue
		}
		content, ok := samples[f]
		if !ok {
			continue // a message action
		}
		m.Content = content
		v := b.send(m, time.Minute)
		require.Equal(t, integration.FaultPermanent, v.kind, "%s: %+v", f, v)
		require.Equal(t, "UNSUPPORTED_CONTENT", v.code, "%s: %+v", f, v)
		require.Empty(t, b.fake.seen(), "%s", f)
	}
}

// samples are contents that make use of a feature and, as far as that goes, of no other.
var samples = map[integration.Feature]integration.Content{
	integration.FeatureText:  {Type: integration.TypeText, Text: "hello"},
	integration.FeatureImage: {Type: integration.TypeImage, Media: sampleMedia("a.png", "image/png")},
	integration.FeatureVideo: {Type: integration.TypeVideo, Media: sampleMedia("a.mp4", "video/mp4")},
	integration.FeatureAudio: {Type: integration.TypeAudio, Media: sampleMedia("a.mp3", "audio/mpeg")},
	integration.FeatureVoice: {Type: integration.TypeVoice, Media: sampleMedia("a.ogg", "audio/ogg")},
	integration.FeatureFile:  {Type: integration.TypeFile, Media: sampleMedia("a.pdf", "application/pdf")},
	integration.FeatureAlbum: {Type: integration.TypeImage, Attachments: []integration.Media{
		*sampleMedia("a.png", "image/png"), *sampleMedia("b.png", "image/png"),
	}},
	integration.FeatureSticker: {
		Type: integration.TypeSticker, Sticker: &integration.Sticker{ID: "1"}, Media: &integration.Media{ID: "1", URL: "1"},
	},
	integration.FeatureLocation: {Type: integration.TypeLocation, Location: &integration.Location{
		Latitude: 52.5, Longitude: 13.4,
	}},
	integration.FeatureContact: {Type: integration.TypeContact, Contacts: []integration.Contact{
		{Name: integration.ContactName{Formatted: "Ada"}, Phones: []integration.ContactPhone{{Phone: "+15550100"}}},
	}},
	integration.FeatureButtons: {Type: integration.TypeInteractive, Interactive: &integration.Interactive{
		Body: "Well?", Buttons: []integration.Button{{ID: "yes", Title: "Yes"}},
	}},
	integration.FeatureList: {Type: integration.TypeInteractive, Interactive: &integration.Interactive{
		Body: "Well?", ButtonLabel: "Choose",
		Sections: []integration.Section{{Rows: []integration.Row{{ID: "yes", Title: "Yes"}}}},
	}},
	integration.FeatureForm: {Type: integration.TypeInteractive, Interactive: &integration.Interactive{
		Kind: integration.InteractiveForm, Body: "Your name?",
	}},
	integration.FeatureTemplate: {Type: integration.TypeTemplate, Template: &integration.Template{
		Name: "welcome", Language: "en_US",
	}},
	integration.FeaturePoll: {Type: integration.TypePoll, Poll: &integration.Poll{
		Question: "Well?", Options: []string{"Yes", "No"},
	}},
	integration.FeatureReaction: {Type: integration.TypeReaction, Reaction: &integration.Reaction{
		MessageID: "1", Emoji: "👍", Action: integration.ReactionAdd,
	}},
}

func sampleMedia(name, mimeType string) *integration.Media {
	return &integration.Media{URL: "https://example.org/" + name, MimeType: mimeType, Filename: name}
}
