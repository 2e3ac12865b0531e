package whatsapptest

import (
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/hiliosai/switchboard/integration/fakeapi"
	"github.com/hiliosai/switchboard/integration/fakeapi/is"
)

// downloads is the path of the links to attachments.
const downloads = "/whatsapp_business/attachments/"

// Media is an attachment on the platform.
type Media struct {
	MimeType string
	Filename string
	Content  []byte
	Size     int64 // the size in bytes that the API announces; zero means the length of Content
}

// AddMedia adds an attachment with an id.
func (a *API) AddMedia(id string, m Media) { a.Locked(func() { a.media[id] = m }) }

// Media returns the attachment with an id, whether it was added or uploaded.
func (a *API) Media(id string) (m Media, ok bool) {
	a.Locked(func() { m, ok = a.media[id] })
	return m, ok
}

// limits are the largest uploads by type, in bytes. Other types are refused.
var limits = map[string]int{
	"image/jpeg": 5 << 20, "image/png": 5 << 20, "image/webp": 500 << 10,
	"audio/aac": 16 << 20, "audio/amr": 16 << 20, "audio/mpeg": 16 << 20, "audio/mp4": 16 << 20, "audio/ogg": 16 << 20,
	"video/mp4": 16 << 20, "video/3gpp": 16 << 20,
	"text/plain": 100 << 20, "application/pdf": 100 << 20, "application/zip": 100 << 20,
}

// uploadFault checks the type and the size of an uploaded file.
func uploadFault(r *fakeapi.Request) *is.Fault {
	file := r.Files["file"]
	base, _, _ := strings.Cut(file.ContentType, ";")
	limit, known := limits[base]
	switch {
	case r.Body["type"] != file.ContentType:
		return is.Wrong("type", "it is not the type of the file")
	case !known:
		why := fmt.Sprintf("(#100) Param file must be a file of a documented type. Received file of type '%s'.", base)
		return fakeapi.Refusal(Error(http.StatusBadRequest, 100, 0, why, ""))
	case len(file.Content) > limit:
		why := fmt.Sprintf("the file has %d bytes, %s may have %d", len(file.Content), base, limit)
		return fakeapi.Refusal(Error(http.StatusBadRequest, 131053, 0, "(#131053) Media upload error", why))
	}
	return nil
}

// upload keeps an uploaded file and answers with its new id.
func (a *API) upload(r *fakeapi.Request) Answer {
	file := r.Files["file"]
	a.lastID++
	id := strconv.Itoa(1037543291543000 + a.lastID)
	a.media[id] = Media{MimeType: file.ContentType, Filename: file.Name, Content: file.Content}
	return fakeapi.JSON(http.StatusOK, map[string]any{"id": id})
}

// link answers with the URL at which an attachment can be downloaded.
func (a *API) link(r *fakeapi.Request) Answer {
	id := r.Values["media"]
	m, ok := a.media[id]
	if !ok {
		return unknownObject(r)
	}
	if m.Size == 0 {
		m.Size = int64(len(m.Content))
	}
	return fakeapi.JSON(http.StatusOK, map[string]any{
		"messaging_product": "whatsapp", "id": id, "url": "http://" + r.Host + downloads + id, "mime_type": m.MimeType,
		"file_size": m.Size, "sha256": "73298ec14751",
	})
}

// download answers with the content of an attachment. Like WhatsApp, it requires the token and a User-Agent.
func (a *API) download(r *fakeapi.Request) *Answer {
	m, ok := a.media[strings.TrimPrefix(r.Path, downloads)]
	agent := r.Header.Get("User-Agent")
	switch {
	case r.Header.Get("Authorization") != "Bearer "+a.account.Token:
		return &Answer{Status: http.StatusUnauthorized}
	case r.Method != http.MethodGet || !ok:
		return &Answer{Status: http.StatusNotFound}
	case agent == "" || strings.HasPrefix(agent, "Go-http-client"): // Go's default means that the caller set none
		return &Answer{Status: http.StatusBadRequest}
	}
	answer := fakeapi.Bytes(m.MimeType, m.Content)
	if m.Filename != "" {
		named := map[string]string{"filename": m.Filename}
		answer.Header.Set("Content-Disposition", mime.FormatMediaType("attachment", named))
	}
	return &answer
}
