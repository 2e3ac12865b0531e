package discord

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// addMedia puts in the attachments of a content. They are uploaded. Only an embed can show what is behind a link, only
// images, and only as long as they are there.
func (d *draft) addMedia(c *integration.Content) error {
	media := c.MediaList()
	if len(media) == 0 {
		return integration.Invalid("content of type %s needs content.media", c.Type)
	}
	for i := range media {
		f := &media[i]
		if c.Type == integration.TypeImage && d.to.embedImages && isAtLink(f) {
			if !httpapi.IsLink(f.URL) {
				return integration.Invalid("the url of image %d is not an http or https URL", i+1)
			}
			d.body.Embeds = append(d.body.Embeds, embed{embedImage{f.URL}})
			continue
		}
		err := integration.Within(platformTitle, f.Caption, maxDescription, "the caption of attachment %d", i+1)
		if err != nil {
			return err
		}
		d.body.Attachments = append(d.body.Attachments, upload{ID: len(d.files), Description: f.Caption})
		d.files = append(d.files, f)
	}
	if len(d.body.Embeds) > 0 {
		d.degraded.Add("image", "embed")
	}
	if c.Type == integration.TypeVoice {
		d.addVoice(c)
	}
	return nil
}

// isAtLink says whether an attachment has a link and nothing else.
func isAtLink(f *integration.Media) bool { return f.ID == "" && len(f.Data) == 0 && f.Datasource == "" }

// addVoice makes a voice message of a recording, "Voice Messages". It has to be alone and to have a length; otherwise
// it stays an audio file.
func (d *draft) addVoice(c *integration.Content) {
	length := time.Duration(d.files[0].DurationMs) * time.Millisecond
	alone := len(d.files) == 1 && strings.TrimSpace(c.Text) == "" && c.Interactive == nil
	if length <= 0 || !alone || d.to.answer != nil || d.to.edit {
		d.degraded.Add("voice", "audio")
		return
	}
	// The waveform is a drawing beside the play button. It is level, since the recording is not decoded.
	points := min(max(int(length/waveformStep), 1), maxWaveform)
	d.body.Flags |= flagVoiceMessage
	d.body.Attachments[0].DurationSecs = length.Seconds()
	d.body.Attachments[0].Waveform = base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0x40}, points))
	d.degraded.Add("voice", "without its waveform")
}

// encode reads the draft's files and makes the body of a call: JSON, or a form with the files and the JSON that names
// them.
func (a *api) encode(ctx context.Context, name string, d *draft) (httpapi.Body, error) {
	parts := make([]httpapi.Part, 1, len(d.files)+1)
	for i, f := range d.files {
		left := int64(maxRequest)
		for _, part := range parts {
			left -= int64(len(part.Content))
		}
		file, err := a.open(ctx, f, min(left, maxFile))
		if err != nil {
			return httpapi.Body{}, err
		}
		if d.body.Flags&flagVoiceMessage != 0 && !strings.HasPrefix(file.MimeType, "audio/") {
			file.MimeType = "audio/ogg" // a file of another type is no voice message
		}
		file.Filename = fileName(file.Filename, file.MimeType)
		d.body.Attachments[i].Filename = file.Filename
		parts = append(parts, httpapi.Part{
			Name: fmt.Sprintf("files[%d]", i), Filename: file.Filename, ContentType: file.MimeType, Content: file.Content,
		})
	}
	encoded, err := httpapi.JSON("discord "+name, d.payload())
	if err != nil || len(d.files) == 0 {
		return encoded, err
	}
	parts[0] = httpapi.Part{Name: "payload_json", ContentType: encoded.ContentType, Content: encoded.Bytes}
	return httpapi.Multipart(parts...), nil
}

// open reads a file of up to limit bytes. An id is a link of Discord's, as messages that came in have it.
func (a *api) open(ctx context.Context, m *integration.Media, limit int64) (*httpapi.Attachment, error) {
	if m.ID == "" {
		return a.Client.Media(ctx, m, limit)
	}
	file, err := a.fetch(ctx, m.ID, limit)
	if err != nil {
		return nil, httpapi.Repeatable(err)
	}
	defer file.Body.Close()
	content, err := integration.ReadMedia(ctx, "attachment", file, limit)
	if err != nil {
		return nil, err
	}
	return &httpapi.Attachment{
		Content: content, MimeType: cmp.Or(m.MimeType, file.MimeType, "application/octet-stream"),
		Filename: cmp.Or(m.Filename, file.Filename, "file"),
	}, nil
}

// extensions are those of the files that clients show in the chat itself, which they know by the name.
var extensions = map[string]string{
	"image/jpeg": ".jpg", "image/png": ".png", "image/gif": ".gif", "image/webp": ".webp", "image/avif": ".avif",
	"video/mp4": ".mp4", "video/webm": ".webm", "video/quicktime": ".mov",
	"audio/mpeg": ".mp3", "audio/ogg": ".ogg", "audio/mp4": ".m4a", "audio/wav": ".wav", "audio/flac": ".flac",
	"application/pdf": ".pdf", "text/plain": ".txt",
}

// fileName is a name that is the same in JSON and in the form, which writes some characters in another way.
func fileName(name, mimeType string) string {
	name = strings.Map(func(r rune) rune {
		if r == '"' || r == '%' || r < ' ' {
			return '_'
		}
		return r
	}, name[strings.LastIndexAny(name, `/\`)+1:])
	if path.Ext(name) != "" {
		return name
	}
	kind, _, _ := strings.Cut(mimeType, ";")
	return cmp.Or(name, "file") + extensions[strings.TrimSpace(kind)]
}
