package whatsapptest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// downloads is where the links of attachments lead to.
const downloads = "/whatsapp_business/attachments/"

// limits of uploads by type, in bytes; documents take any type.
var limits = map[string]int{
	"image/jpeg": 5 << 20, "image/png": 5 << 20, "image/webp": 500 << 10,
	"audio/aac": 16 << 20, "audio/amr": 16 << 20, "audio/mpeg": 16 << 20, "audio/mp4": 16 << 20, "audio/ogg": 16 << 20,
	"video/mp4": 16 << 20, "video/3gpp": 16 << 20,
	"text/plain": 100 << 20, "application/pdf": 100 << 20, "application/zip": 100 << 20,
}

// upload answers POST /PHONE_NUMBER_ID/media.
func (a *API) upload(contentType string, body []byte) Answer {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" {
		return invalidParameter("the body must be multipart/form-data")
	}
	fields := map[string]string{}
	var m Media
	for reader := multipart.NewReader(bytes.NewReader(body), params["boundary"]); ; {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return invalidParameter("the form cannot be read")
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return invalidParameter("the form cannot be read")
		}
		if part.FormName() == "file" {
			m = Media{MimeType: part.Header.Get("Content-Type"), Filename: part.FileName(), Content: content}
		} else {
			fields[part.FormName()] = string(content)
		}
	}
	base, _, _ := strings.Cut(m.MimeType, ";")
	limit, known := limits[base]
	switch {
	case fields["messaging_product"] != "whatsapp":
		return missing("messaging_product")
	case fields["type"] == "":
		return missing("type")
	case len(m.Content) == 0 || m.Filename == "":
		return missing("file")
	case fields["type"] != m.MimeType:
		return invalidParameter("type is not the type of the file")
	case !known:
		return Error(http.StatusBadRequest, 100, 0, fmt.Sprintf("(#100) Param file must be a file with one of the following types: %s. Received file of type '%s'.", strings.Join(types(), ", "), base), "")
	case len(m.Content) > limit:
		return Error(http.StatusBadRequest, 131053, 0, "(#131053) Media upload error", fmt.Sprintf("the file has %d bytes, %s may have %d", len(m.Content), base, limit))
	}
	id := strconv.Itoa(1037543291543000 + a.nextID())
	a.AddMedia(id, m)
	return answer(http.StatusOK, map[string]any{"id": id})
}

func types() []string {
	var list []string
	for t := range limits {
		list = append(list, t)
	}
	slices.Sort(list)
	return list
}

// link answers GET /MEDIA_ID.
func link(r *http.Request, id string, m Media) Answer {
	size := m.Size
	if size == 0 {
		size = int64(len(m.Content))
	}
	return answer(http.StatusOK, map[string]any{
		"messaging_product": "whatsapp", "id": id, "url": "http://" + r.Host + downloads + id, "mime_type": m.MimeType, "file_size": size, "sha256": "73298ec14751",
	})
}

// download answers GET of a link, which wants the token again and somebody who says who asks.
func (a *API) download(r *http.Request, id string) Answer {
	m, ok := a.Media(id)
	switch {
	case r.Header.Get("Authorization") != "Bearer "+a.account.Token:
		return Answer{Status: http.StatusUnauthorized}
	case r.Method != http.MethodGet || !ok:
		return Answer{Status: http.StatusNotFound}
	case r.Header.Get("User-Agent") == "" || strings.HasPrefix(r.Header.Get("User-Agent"), "Go-http-client"): // which stands for none
		return Answer{Status: http.StatusBadRequest}
	}
	header := http.Header{"Content-Type": {m.MimeType}}
	if m.Filename != "" {
		header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": m.Filename}))
	}
	return Answer{Header: header, Body: string(m.Content)}
}
