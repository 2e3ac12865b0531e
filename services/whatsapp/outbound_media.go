package whatsapp

import (
	"cmp"
	"context"
	"net/http"
	"strings"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// mediaNames are what "Media" calls the content types.
var mediaNames = map[integration.ContentType]string{
	integration.TypeImage: "image", integration.TypeVideo: "video", integration.TypeAudio: "audio",
	integration.TypeVoice: "audio",
	integration.TypeFile:  "document", integration.TypeSticker: "sticker",
}

// mediaLimits are those of "Media".
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

// addMedia sends an attachment, of which WhatsApp takes one in a message.
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

// nameOf is the name that a document is shown with: without one it is "Untitled".
func nameOf(m *integration.Media) string {
	return cmp.Or(httpapi.Filename(m.Filename), httpapi.LinkName(m.URL))
}

// put places media where the request's type wants it.
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

// media says where an attachment is: its id, a link that WhatsApp fetches, or, for all else, what will be
// uploaded.
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

// upload is an attachment that goes to WhatsApp before its message, which then has its id.
type upload struct {
	media *integration.Media
	as    integration.ContentType
	into  *outMedia
}

// upload makes a call of "Media", POST /PHONE_NUMBER_ID/media. One that was not answered may be made again: what
// nobody refers to is deleted after 30 days.
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

// checkFile refuses what WhatsApp would refuse after it has accepted the message, and finds the type of a file that
// has none.
func checkFile(t integration.ContentType, file *httpapi.Attachment) error {
	// it said nothing
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

// animated reads the flag of an extended WebP file,
// https://developers.google.com/speed/webp/docs/riff_container#extended_file_format.
func animated(webp []byte) bool {
	const chunk, flags, animation = 12, 20, 1 << 1
	return len(webp) > flags && string(webp[chunk:chunk+4]) == "VP8X" && webp[flags]&animation != 0
}
