package telegram

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// content returns what a user wrote, recorded or attached, and whether it is known and complete.
func (msg *message) content() (integration.Content, bool) {
	switch {
	case msg.Text != "":
		c := integration.Content{Type: integration.TypeText, Text: msg.Text, Entities: entities(msg.Entities)}
		if command := msg.command(); command != nil {
			c.Type, c.Command = integration.TypeCommand, command
		}
		return c, true
	case len(msg.Photo) > 0:
		photo := msg.Photo[len(msg.Photo)-1]
		photo.MimeType = "image/jpeg" // "PhotoSize" does not say so; Telegram stores photos in no other format
		return msg.media(integration.TypeImage, &photo)
	case msg.Animation != nil: // before document, which has it, too
		return msg.media(integration.TypeVideo, msg.Animation)
	case msg.Document != nil:
		return msg.media(integration.TypeFile, msg.Document)
	case msg.Voice != nil:
		return msg.media(integration.TypeVoice, msg.Voice)
	case msg.Video != nil:
		return msg.media(integration.TypeVideo, msg.Video)
	case msg.Audio != nil:
		return msg.media(integration.TypeAudio, msg.Audio)
	case msg.VideoNote != nil:
		return msg.media(integration.TypeVideo, msg.VideoNote)
	case msg.Sticker != nil:
		return msg.sticker()
	case msg.Venue != nil: // before location, which has its point, too
		l := msg.Venue.Location.normalize()
		l.Name, l.Address = msg.Venue.Title, msg.Venue.Address
		return integration.Content{Type: integration.TypeLocation, Location: l}, true
	case msg.Location != nil:
		return integration.Content{Type: integration.TypeLocation, Location: msg.Location.normalize()}, true
	case msg.Contact != nil:
		return integration.Content{
			Type: integration.TypeContact, Contacts: []integration.Contact{msg.Contact.normalize()},
		}, msg.Contact.PhoneNumber != ""
	case msg.Poll != nil:
		return integration.Content{Type: integration.TypePoll, Poll: msg.Poll.normalize()}, msg.Poll.ID != ""
	case msg.Dice != nil:
		// The user sent the emoji. Telegram added the value.
		return integration.Content{Type: integration.TypeText, Text: msg.Dice.Emoji}, msg.Dice.Emoji != ""
	default:
		return integration.Content{}, false
	}
}

// flag returns the name of the metadata that marks this kind of video, or "".
func (msg *message) flag() string {
	switch {
	case msg.Animation != nil:
		return metaAnimation
	case msg.VideoNote != nil:
		return metaVideoNote
	default:
		return ""
	}
}

func (msg *message) media(t integration.ContentType, f *file) (integration.Content, bool) {
	return integration.Content{
		Type: t, Text: msg.Caption, Entities: entities(msg.CaptionEntities), Media: f.normalize(),
	}, f.FileID != ""
}

func (f *file) normalize() *integration.Media {
	return &integration.Media{
		ID: f.FileID, URL: f.FileID, MimeType: f.MimeType, Size: f.FileSize, Filename: httpapi.Filename(f.FileName),
		DurationMs: f.Duration * 1000, Width: cmp.Or(f.Width, f.Length), Height: cmp.Or(f.Height, f.Length),
	}
}

// Formats of stickers, "sendSticker". A "Sticker" has flags for them.
const (
	mimeStaticSticker   = "image/webp"
	mimeAnimatedSticker = "application/x-tgsticker"
	mimeVideoSticker    = "video/webm"
)

func (msg *message) sticker() (integration.Content, bool) {
	s := msg.Sticker
	media := s.normalize()
	switch {
	case s.IsAnimated:
		media.MimeType = mimeAnimatedSticker
	case s.IsVideo:
		media.MimeType = mimeVideoSticker
	default:
		media.MimeType = mimeStaticSticker
	}
	return integration.Content{
		Type: integration.TypeSticker, Media: media,
		Sticker: &integration.Sticker{
			ID: integration.ID(s.FileID), PackageID: integration.ID(s.SetName), Emoji: s.Emoji,
			Animated: s.IsAnimated || s.IsVideo,
		},
	}, s.FileID != ""
}

func (l *location) normalize() *integration.Location {
	return &integration.Location{Latitude: l.Latitude, Longitude: l.Longitude, Live: l.LivePeriod > 0}
}

func (c *contact) normalize() integration.Contact {
	return integration.Contact{
		Name: integration.ContactName{
			Formatted: fullName(c.FirstName, c.LastName, ""), First: c.FirstName, Last: c.LastName,
		},
		Phones: []integration.ContactPhone{{Phone: c.PhoneNumber}},
		VCard:  c.VCard, UserID: decimalID(c.UserID),
	}
}

func (p *poll) normalize() *integration.Poll {
	options := make([]string, len(p.Options))
	for i, o := range p.Options {
		options[i] = o.Text
	}
	return &integration.Poll{
		ID: integration.ID(p.ID), Question: p.Question, Options: options, Multiple: p.AllowsMultipleAnswers,
		Closed: p.IsClosed,
	}
}

// command reads a command such as "/start@some_bot ref42". An entity at the start of the text marks it.
func (msg *message) command() *integration.Command {
	i := slices.IndexFunc(msg.Entities, func(e messageEntity) bool { return e.Type == "bot_command" && e.Offset == 0 })
	if i < 0 {
		return nil
	}
	head, args := cutUTF16(msg.Text, msg.Entities[i].Length)
	name, _, _ := strings.Cut(strings.TrimPrefix(head, "/"), "@")
	if name == "" {
		return nil
	}
	return &integration.Command{Name: name, Args: strings.TrimSpace(args)}
}

// cutUTF16 cuts s after n UTF-16 code units.
func cutUTF16(s string, n int) (before, after string) {
	for i, r := range s {
		if n <= 0 {
			return s[:i], s[i:]
		}
		n -= utf16.RuneLen(r)
	}
	return s, ""
}

func entities(in []messageEntity) []integration.Entity {
	if len(in) == 0 {
		return nil
	}
	out := make([]integration.Entity, len(in))
	for i, e := range in {
		out[i] = integration.Entity{Type: e.Type, Offset: e.Offset, Length: e.Length, URL: e.URL}
		if e.User != nil {
			out[i].UserID = decimalID(e.User.ID)
		}
	}
	return out
}
