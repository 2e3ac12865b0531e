package integration

import "slices"

// Feature is a row of the table of what platforms can do, docs/content-model.md.
type Feature string

// The features: types of content first, then what messages can be beside their content, then further
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
	FeatureForm     Feature = "form"    // inbound: one that was filled in
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

// Inbound says whether a feature is about what platforms send, Outbound whether it is about what they are sent.
func (f Feature) Inbound() bool {
	return !slices.Contains([]Feature{FeatureTemplate, FeatureTyping, FeatureMarkRead}, f)
}

// Outbound is told of by [Feature.Inbound].
func (f Feature) Outbound() bool {
	return !slices.Contains([]Feature{FeatureCommand, FeatureOrder, FeatureStatus, FeatureMembership, FeatureEcho, FeatureMedia}, f)
}

// Level says how well a platform has a feature.
type Level string

// The levels.
const (
	LevelFull       Level = "full"
	LevelDegraded   Level = "degraded"   // something is lost; sends say so in metadata.degraded
	LevelImpossible Level = "impossible" // the platform has no such thing; sends are refused
)

// Cell is a platform's answer for one feature in one direction.
type Cell struct {
	Level  Level
	Note   string // what is lost, or why it is impossible
	Source string // the platform's documentation that says so: a URL
}

// Full is the cell of what works.
func Full() Cell { return Cell{Level: LevelFull} }

// Partial is the cell of what works with losses.
func Partial(how string) Cell { return Cell{Level: LevelDegraded, Note: how} }

// Impossible is the cell of what the platform does not have, by its documentation.
func Impossible(why, source string) Cell {
	return Cell{Level: LevelImpossible, Note: why, Source: source}
}

// Support tells of each feature how a platform has it. Features of one direction only have the other cell
// empty. The conformance suite holds a platform to it, and [Define] refuses what is impossible.
type Support map[Feature]struct{ In, Out Cell }

// Features lists what a message that came in shows of its platform: what it holds, and what happened.
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

// features lists what a message holds, whatever its direction.
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
