package telegram

import (
	"context"
	"strconv"
	"strings"

	"github.com/hiliosai/switchboard/integration"
)

// composeAlbum makes one call for several files. Telegram groups photos with videos, and documents and audio files
// among themselves.
func (p *platform) composeAlbum(
	ctx context.Context, m *integration.Message, files []integration.Media, d *delivery,
) (*request, error) {
	if d.ReplyMarkup != nil {
		return nil, integration.UnsupportedContent(
			"Telegram has no buttons below several attachments; send them as a message of their own",
		)
	}
	kinds, err := albumKinds(m, files)
	if err != nil {
		return nil, err
	}
	params := &mediaGroupParams{delivery: *d, Media: make([]inputMedia, len(files))}
	r := &request{method: methodAlbum, params: params}
	for i := range files {
		// The text is the caption of the first file. Clients show it below the album if no other file has a caption.
		c := &integration.Content{Format: m.Content.Format}
		if i == 0 {
			c = &m.Content
		}
		text, degraded, err := newText(withCaption(c, &files[i]), maxCaption)
		if err != nil {
			return nil, err
		}
		r.degraded = append(r.degraded, degraded...)
		params.Media[i] = inputMedia{Type: kinds[i].field, captionParams: text.caption(), mediaSize: kinds[i].size(&files[i])}
	}
	var uploaded int64
	for i := range files {
		name := "file" + strconv.Itoa(i+1)
		value, part, err := p.source(ctx, kinds[i], &files[i], name)
		if err != nil {
			return nil, err
		}
		if part != nil {
			value = "attach://" + name
			r.files = append(r.files, *part)
			if uploaded += int64(len(part.Content)); uploaded > maxUpload {
				return nil, integration.Invalid(
					"the attachments have more than %d bytes together, which is what one call takes", maxUpload,
				)
			}
		}
		params.Media[i].Media = value
	}
	return r, nil
}

func albumKinds(m *integration.Message, files []integration.Media) ([]*mediaKind, error) {
	kinds := make([]*mediaKind, len(files))
	for i := range files {
		kinds[i] = albumKind(m.Content.Type, &files[i])
		if kinds[i].album == "" {
			return nil, integration.Invalid(
				"content of type %s takes one attachment; Telegram sends several photos, videos, audio files or documents",
				m.Content.Type,
			)
		}
		if kinds[i].album != kinds[0].album {
			return nil, integration.Invalid(
				"attachment %d is a %s, the first a %s: "+
					"Telegram groups photos with videos, and documents and audio among themselves",
				i+1, kinds[i].field, kinds[0].field)
		}
	}
	return kinds, nil
}

// albumKind returns the kind for the MIME type, unless the content's type says that all are files.
func albumKind(t integration.ContentType, f *integration.Media) *mediaKind {
	major, _, _ := strings.Cut(f.MimeType, "/")
	switch {
	case t == integration.TypeVoice:
		return voice
	case t == integration.TypeSticker:
		return stickers
	case t == integration.TypeFile:
		return document
	case t == integration.TypeAudio || major == "audio":
		return audio
	case major == "image" || major == "" && t == integration.TypeImage:
		return photo
	case major == "video" || major == "" && t == integration.TypeVideo:
		return video
	default:
		return document
	}
}
