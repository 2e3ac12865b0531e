package integration

import (
	"fmt"
	"maps"
	"slices"
)

// Feature is a row of the support table in docs/content-model.md.
type Feature string

// The features: types of content first, then what messages can be beside their content, then message
// actions.
const (
	FeatureText     Feature = "text"
	FeatureImage    Feature = "image"
	FeatureVideo    Feature = "video"
	FeatureAudio    Feature = "audio"
	FeatureVoice    Feature = "voice"
	FeatureFile     Feature = "file"
	FeatureAlbum    Feature = "several attachments"
	FeatureSticker  Feature = "sticker"
	FeatureLocation Feature = "location"
	FeatureContact  Feature = "contact"
	FeatureButtons  Feature = "buttons" // inbound: a pressed one
	FeatureList     Feature = "list"    // inbound: a chosen entry
	FeatureForm     Feature = "form"    // inbound: a filled-in one
	FeatureTemplate Feature = "template"
	FeatureCommand  Feature = "command"
	FeatureOrder    Feature = "order"
	FeaturePoll     Feature = "poll"

	FeatureReply      Feature = "reply"
	FeatureThread     Feature = "thread"
	FeatureReaction   Feature = "reaction"
	FeatureEdit       Feature = "edit"
	FeatureDelete     Feature = "delete"
	FeatureStatus     Feature = "delivery status"
	FeatureMembership Feature = "membership"
	FeatureEcho       Feature = "own messages"

	FeatureTyping   Feature = "typing"
	FeatureMarkRead Feature = "mark as read"
	FeatureMedia    Feature = "media download"
)

// Features lists all features in the order of the table.
func Features() []Feature {
	return []Feature{
		FeatureText, FeatureImage, FeatureVideo, FeatureAudio, FeatureVoice, FeatureFile, FeatureAlbum, FeatureSticker,
		FeatureLocation, FeatureContact, FeatureButtons, FeatureList, FeatureForm, FeatureTemplate, FeatureCommand,
		FeatureOrder, FeaturePoll, FeatureReply, FeatureThread, FeatureReaction, FeatureEdit, FeatureDelete, FeatureStatus,
		FeatureMembership, FeatureEcho, FeatureTyping, FeatureMarkRead, FeatureMedia,
	}
}

// Inbound says whether a feature is about messages from a platform, Outbound whether it is about messages to it.
func (f Feature) Inbound() bool {
	return !slices.Contains([]Feature{FeatureTemplate, FeatureTyping, FeatureMarkRead}, f)
}

// Outbound says whether a feature is about messages to a platform. See [Feature.Inbound].
func (f Feature) Outbound() bool {
	return !slices.Contains(
		[]Feature{FeatureCommand, FeatureOrder, FeatureStatus, FeatureMembership, FeatureEcho, FeatureMedia}, f,
	)
}

// Level says how well a platform supports a feature.
type Level string

// The levels.
const (
	LevelFull       Level = "full"
	LevelDegraded   Level = "degraded"   // something is lost; the result says so in [SendResult.Degraded]
	LevelImpossible Level = "impossible" // the platform has no such thing; sends are refused
)

// Cell says how well a platform supports one feature in one direction, inbound or outbound.
type Cell struct {
	Level  Level
	Note   string // what is lost, or why it is impossible
	Source string // the platform's documentation that says so: a URL
	AsText bool   // outbound, degraded: the factory writes it as text, see [AsText]
}

// Full returns the cell of a feature that works.
func Full() Cell { return Cell{Level: LevelFull} }

// Degraded returns the cell of a feature that works with losses. how says what is lost.
func Degraded(how string) Cell { return Cell{Level: LevelDegraded, Note: how} }

// Impossible returns the cell of a feature that the platform does not have. source is the URL of the documentation that
// says so.
func Impossible(why, source string) Cell {
	return Cell{Level: LevelImpossible, Note: why, Source: source}
}

// AsText returns the outbound cell of a feature that the factory writes as text before Send gets the message: a
// location, a contact, a poll, buttons, a list, the emoji of a sticker, links to attachments. The platform never sees
// such content. [Definition.Style] says how texts are marked up.
func AsText() Cell { return Cell{Level: LevelDegraded, Note: "as text", AsText: true} }

// Cells hold the cells of one feature. The cell of a direction that the feature does not have is empty.
type Cells = struct{ In, Out Cell }

// Support says how well a platform supports each feature. The conformance suite checks it, and the factory refuses
// impossible features. Begin with [Basic], or list all features.
type Support map[Feature]Cells

// Basic returns the support of a platform that has texts in both directions and nothing else. source is the page of the
// platform's documentation that lists what its messages can be. Add to it by [Support.Full],
// [Support.With] and [Support.AsText].
func Basic(source string) Support {
	s, never := Support{}, Impossible("messages are texts", source)
	for _, f := range Features() {
		var cells Cells
		if f.Inbound() {
			cells.In = never
		}
		if f.Outbound() {
			cells.Out = never
		}
		s[f] = cells
	}
	s[FeatureText] = Cells{In: Full(), Out: Full()}
	return s
}

// With returns the support with its cells replaced by those of rows. An empty cell in rows replaces nothing.
func (s Support) With(rows Support) Support {
	merged := maps.Clone(s)
	for f, row := range rows {
		cells := merged[f]
		if row.In != (Cell{}) {
			cells.In = row.In
		}
		if row.Out != (Cell{}) {
			cells.Out = row.Out
		}
		merged[f] = cells
	}
	return merged
}

// Full returns the support with the features in full, in each direction that they have.
func (s Support) Full(features ...Feature) Support { return s.FullIn(features...).FullOut(features...) }

// FullIn returns the support with full inbound cells for the features. The outbound cells stay.
func (s Support) FullIn(features ...Feature) Support {
	rows := Support{}
	for _, f := range features {
		if f.Inbound() {
			rows[f] = Cells{In: Full()}
		}
	}
	return s.With(rows)
}

// FullOut returns the support with full outbound cells for the features. The inbound cells stay.
func (s Support) FullOut(features ...Feature) Support {
	rows := Support{}
	for _, f := range features {
		if f.Outbound() {
			rows[f] = Cells{Out: Full()}
		}
	}
	return s.With(rows)
}

// AsText returns the support with the features written as text by the factory. Without arguments these are all features
// that the factory can write and that were impossible.
func (s Support) AsText(features ...Feature) Support {
	if len(features) == 0 {
		features = slices.DeleteFunc(
			slices.Clone(rendered), func(f Feature) bool { return s[f].Out.Level != LevelImpossible },
		)
	}
	rows := Support{}
	for _, f := range features {
		rows[f] = Cells{Out: AsText()}
	}
	return s.With(rows)
}

// check lists the rows that the factory cannot fulfil.
func (s Support) check() (faults []string) {
	for f, cells := range s {
		if cells.In.AsText || cells.Out.AsText && !slices.Contains(rendered, f) {
			faults = append(faults, fmt.Sprintf("support: the factory cannot write %q as text", f))
		}
	}
	slices.Sort(faults)
	return faults
}

// Features lists the features that an inbound message shows: those of its content, and what happened.
func (m *Message) Features() []Feature {
	list := m.features()
	add := func(is bool, f Feature) {
		if is && !slices.Contains(list, f) {
			list = append(list, f)
		}
	}
	c := &m.Content
	add(c.Type == TypeButton, FeatureButtons)
	if i := c.Interactive; i != nil && i.Reply != nil && c.Type == TypeInteractive && i.Kind == "" {
		add(i.Reply.FormValues != nil, FeatureForm)
		add(i.Reply.FormValues == nil, FeatureList) // a button's reply is of TypeButton
	}
	add(c.Type == TypeInteractive && c.Interactive != nil && c.Interactive.Kind == InteractiveButtons, FeatureButtons)
	add(c.Type == TypeCommand, FeatureCommand)
	add(c.Type == TypeOrder, FeatureOrder)
	add(c.Type == TypeStatus, FeatureStatus)
	add(m.Kind == KindEdit, FeatureEdit)
	add(m.Kind == KindDelete || c.Type == TypeDelete, FeatureDelete)
	add(m.Kind == KindMembership, FeatureMembership)
	add(m.Direction == DirectionEcho, FeatureEcho)
	return list
}

// features lists the features of a message's content, in either direction.
func (m *Message) features() []Feature {
	var list []Feature
	c := &m.Content
	switch c.Type {
	case TypeText, "":
		list = append(list, FeatureText)
	case TypeImage:
		list = append(list, FeatureImage)
	case TypeVideo:
		list = append(list, FeatureVideo)
	case TypeAudio:
		list = append(list, FeatureAudio)
	case TypeVoice:
		list = append(list, FeatureVoice)
	case TypeFile:
		list = append(list, FeatureFile)
	case TypeSticker:
		list = append(list, FeatureSticker)
	case TypeLocation:
		list = append(list, FeatureLocation)
	case TypeContact:
		list = append(list, FeatureContact)
	case TypeTemplate:
		list = append(list, FeatureTemplate)
	case TypePoll:
		list = append(list, FeaturePoll)
	case TypeReaction:
		list = append(list, FeatureReaction)
	default:
	}
	if len(c.Attachments) > 1 {
		list = append(list, FeatureAlbum)
	}
	if i := c.Interactive; i != nil {
		switch {
		case i.Kind == InteractiveForm:
			list = append(list, FeatureForm)
		case i.Kind == InteractiveList || len(i.Sections) > 0:
			list = append(list, FeatureList)
		case len(i.Buttons) > 0:
			list = append(list, FeatureButtons)
		}
	}
	if m.ReplyTo != nil && m.ReplyTo.MessageID != "" {
		list = append(list, FeatureReply)
	}
	if m.ThreadID != "" {
		list = append(list, FeatureThread)
	}
	return list
}
