package whatsapp

import (
	"cmp"
	"context"
	"net/http"
	"strings"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// mediaNames are the names of the content types in "Media".
var mediaNames = map[integration.ContentType]string{
	integration.TypeImage: "image", integration.TypeVideo: "video", integration.TypeAudio: "audio",
	integration.TypeVoice: "audio",
	integration.TypeFile:  "document", integration.TypeSticker: "sticker",
}

// mediaLimits are the limits of "Media".
var mediaLimits = map[integration.ContentType]integration.MediaLimits{
	integration.TypeImage: {MaxBytes: maxImage, MaxCount: 1, Types: []string{"image/jpeg", "image/png"}},
	integration.TypeVideo: {MaxBytes: maxVideo, MaxCount: 1, Types: []string{"video/mp4", "video/3gpp"}},
	integration.TypeAudio: {MaxBytes: maxAudio, MaxCount: 1, Types: []string{
		"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg", "audio/opus",
	}},
	integration.TypeVoice:   {MaxBytes: maxAudio, MaxCount: 1, Types: []string{"audio/ogg", "audio/opus"}},
	integration.TypeFile:    {MaxBytes: maxDocument, MaxCount: 1},
	integration.TypeSticker: {MaxBytes: maxAnimatedSticker, MaxCount: 1, Types: []string{"image/webp"}},
}

// addMedia adds the only attachment. WhatsApp takes one in a message.
func (d *draft) addMedia(c *integration.Content) error {
	list := c.MediaList()
	if len(list) != 1 {
		return integration.Invalid("content of type %s needs content.media, and one attachment in a message", c.Type)
	}
	m, name := &list[0], mediaNames[c.Type]
	out, err := d.media(m, c.Type)
	if err != nil {
		return err
	}
	out.Voice = c.Type == integration.TypeVoice
	if name == "document" {
		out.Filename = nameOf(m)
	}
	if hasCaption(c.Type) {
		out.Caption = cmp.Or(c.Text, m.Caption)
	}
	d.request.Type = name
	d.request.put(out)
	return integration.Within(platformTitle, out.Caption, maxCaption, "the caption")
}

// nameOf returns the shown name of a document. WhatsApp shows "Untitled" for an empty one.
func nameOf(m *integration.Media) string {
	return cmp.Or(httpapi.Filename(m.Filename), httpapi.LinkName(m.URL))
}

// put sets the media in the field of the request's type.
func (r *request) put(m *outMedia) {
	switch r.Type {
	case "image":
		r.Image = m
	case "video":
		r.Video = m
	case "audio":
		r.Audio = m
	case "document":
		r.Document = m
	case "sticker":
		r.Sticker = m
	}
}

// media returns an attachment as its id, or as a link that WhatsApp fetches. All else is uploaded before the message.
func (d *draft) media(m *integration.Media, t integration.ContentType) (*outMedia, error) {
	inline := len(m.Data) > 0 || m.Datasource != ""
	switch {
	case m.ID != "":
		return &outMedia{ID: m.ID}, nil
	case inline:
		out := &outMedia{}
		d.upload = &upload{m, t, out}
		return out, nil
	case httpapi.IsLink(m.URL):
		return &outMedia{Link: m.URL}, nil
	case idPattern.MatchString(m.URL): // as inbound messages have it
		return &outMedia{ID: m.URL}, nil
	default:
		return nil, integration.Invalid("an attachment needs an id, an http or https url, data or a datasource")
	}
}

// upload is an attachment that is uploaded before its message. The message then has its id.
type upload struct {
	media *integration.Media
	as    integration.ContentType
	into  *outMedia
}

// upload calls "Media", POST /PHONE_NUMBER_ID/media. It may be repeated after a lost answer: WhatsApp deletes media
// that no message uses after 30 days.
func (a api) upload(ctx context.Context, u *upload) error {
	file, err := a.Client.Media(ctx, u.media, mediaLimits[u.as].MaxBytes)
	if err != nil {
		return err
	}
	if err := checkFile(u.as, file); err != nil {
		return err
	}
	mimeType := file.MimeType
	body := httpapi.Multipart(
		httpapi.Part{Name: "messaging_product", Content: []byte(product)},
		httpapi.Part{Name: "type", Content: []byte(mimeType)},
		httpapi.Part{Name: "file", Filename: file.Filename, ContentType: mimeType, Content: file.Content},
	)
	var answer struct {
		ID integration.ID `json:"id"`
	}
	if err := a.Post(ctx, "media", a.phoneNumberID+"/media", body, &answer); err != nil {
		return httpapi.Repeatable(err)
	}
	if answer.ID == "" {
		return httpapi.Repeatable(httpapi.Unreadable("whatsapp media", http.StatusOK, nil))
	}
	u.into.ID = string(answer.ID)
	return nil
}

// checkFile refuses a file that WhatsApp would refuse later, after it has accepted the message. It sets the type of a
// file without one.
func checkFile(t integration.ContentType, file *httpapi.Attachment) error {
	// The type was missing or generic.
	if base := integration.MediaType(file.MimeType, file.Content); !strings.HasPrefix(file.MimeType, base) {
		file.MimeType = http.DetectContentType(file.Content)
	}
	if err := mediaLimits[t].Check(t, file.MimeType, file.Content); err != nil {
		return err
	}
	if t == integration.TypeSticker && len(file.Content) > maxStaticSticker && !animated(file.Content) {
		return httpapi.TooLarge("sticker", maxStaticSticker)
	}
	return nil
}

// animated says whether a WebP file is animated. It reads the flag of the extended format,
// https://developers.google.com/speed/webp/docs/riff_container#extended_file_format.
func animated(webp []byte) bool {
	const chunk, flags, animation = 12, 20, 1 << 1
	return len(webp) > flags && string(webp[chunk:chunk+4]) == "VP8X" && webp[flags]&animation != 0
}
