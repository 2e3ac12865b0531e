package telegram

import (
	"cmp"
	"context"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strings"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// mimeTypes are the types of files that Telegram makes. Package mime may not know them.
var mimeTypes = map[string]string{
	".mp3": "audio/mpeg",
	".mp4": "video/mp4",
	".oga": "audio/ogg",
	".ogg": "audio/ogg",
}

var _ integration.MediaFetcher = (*platform)(nil)

// FetchMedia downloads a file by its file_id.
func (p *platform) FetchMedia(ctx context.Context, id string, ch *integration.Channel) (*integration.MediaFile, error) {
	a := p.api(ch.Credentials, ch.Settings)
	a.Errors = fileErrors
	f, err := ask[file](ctx, a, "getFile", getFileParams{id})
	if err != nil {
		return nil, err
	}
	if f.FileSize > maxDownload {
		return nil, integration.Refused(
			codes.MediaTooLarge, "the file has %d bytes; bots can download %d", f.FileSize, maxDownload,
		)
	}
	if limit := integration.MediaLimit(ctx, maxDownload); f.FileSize > limit {
		return nil, httpapi.TooLarge("telegram file download", limit)
	}
	if f.FilePath == "" {
		return nil, integration.Refused(codes.MediaNotFound, "telegram getFile: the file has no file_path")
	}
	res, err := a.Client.Get(ctx, "telegram file download", a.fileURL(f.FilePath), nil)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		res.Body.Close()
		if isLocal(f.FilePath) {
			return nil, localFile()
		}
		if res.StatusCode == http.StatusNotFound {
			return nil, integration.Refused(codes.MediaNotFound, "the file's link has expired")
		}
		return nil, httpapi.Repeatable(
			httpapi.Foreign("telegram file download", &httpapi.Answer{Status: res.StatusCode, Header: res.Header}),
		)
	}
	name := path.Base(f.FilePath)
	file := &integration.MediaFile{Body: res.Body, MimeType: mimeType(res.Header, name), Size: res.ContentLength}
	if !numbered.MatchString(name) {
		file.Filename = httpapi.Filename(name)
	}
	return file, nil
}

// numbered is the name that Telegram gives to a file whose real name it does not tell.
var numbered = regexp.MustCompile(`^file_\d+$`)

// isLocal says whether a file_path is a path on the disk of a Bot API server that an operator runs, "Using a Local Bot
// API Server". Such a path contains the token.
func isLocal(filePath string) bool {
	return path.IsAbs(filePath) || windowsPath.MatchString(filePath)
}

var windowsPath = regexp.MustCompile(`^([A-Za-z]:)?[\\/]`)

func localFile() error {
	return integration.Refused(
		codes.MediaLocal, "telegram getFile: the Bot API server runs with --local: it tells a path on its own disk and "+
			"serves no files; run it without --local, or let a web server before it serve that path under /file",
	)
}

// mimeType returns the type that the header says, or else the type for the file's name. Telegram's own servers send no
// useful type.
func mimeType(header http.Header, name string) string {
	const unknown = "application/octet-stream"
	if t := header.Get("Content-Type"); t != "" && t != unknown {
		return t
	}
	ext := strings.ToLower(path.Ext(name))
	return cmp.Or(mimeTypes[ext], mime.TypeByExtension(ext), unknown)
}
