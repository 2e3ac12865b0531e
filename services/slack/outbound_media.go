package slack

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/slack-go/slack"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// addMedia puts pictures that have a link, or an id at Slack, into blocks. If there is any other attachment, all are
// uploaded or linked instead: one message cannot have blocks and files.
func (d *draft) addMedia(c *integration.Content, media []integration.Media) error {
	isPicture := func(m integration.Media) bool {
		kind, _, _ := strings.Cut(m.MimeType, "/")
		return (kind == "image" || m.MimeType == "" && c.Type == integration.TypeImage) && len(m.Data) == 0 &&
			m.Datasource == ""
	}
	if !slices.ContainsFunc(media, func(m integration.Media) bool { return !isPicture(m) }) {
		return d.addPictures(c, media)
	}
	switch {
	case c.Interactive != nil:
		return integration.Invalid("beside buttons and menus Slack shows pictures only, by a link or an id of Slack's")
	case c.Format == formatMarkdown:
		return integration.UnsupportedContent(
			"the text beside a file cannot be in markdown at Slack; mrkdwn and plain ones can",
		)
	}
	for _, m := range media {
		if m.ID != "" {
			d.linked = append(d.linked, m)
		} else {
			d.uploads = append(d.uploads, m)
		}
	}
	var err error
	d.post.Text, _, err = markedText(c, c.Text)
	return err
}

// addPictures makes an image block of each picture. The text is above them, or below them where there are buttons.
func (d *draft) addPictures(c *integration.Content, media []integration.Media) error {
	if c.Interactive == nil && strings.TrimSpace(c.Text) != "" {
		if err := d.addBody(c, c.Text); err != nil {
			return err
		}
	}
	for i, m := range media {
		block, err := pictureBlock(m, fmt.Sprintf("attachment %d", i+1))
		if err != nil {
			return err
		}
		d.post.Blocks = append(d.post.Blocks, block)
		d.post.Text = cmp.Or(d.post.Text, escaper.Replace(block.AltText))
	}
	if c.Interactive != nil {
		return d.addInteractive(c)
	}
	return d.checkBlocks()
}

func pictureBlock(m integration.Media, name string) (*slack.ImageBlock, error) {
	title := cmp.Or(m.Caption, m.Filename)
	block := &slack.ImageBlock{Type: slack.MBTImage, AltText: cmp.Or(title, "image")}
	switch {
	case m.ID != "":
		block.SlackFile = &slack.SlackFileObject{ID: m.ID}
	case httpapi.IsLink(m.URL):
		block.ImageURL = m.URL
	default:
		return nil, integration.Invalid("%s needs an http or https url, an id, data or a datasource", name)
	}
	if m.Caption != "" {
		block.Title = plain(m.Caption)
	}
	return block, cmp.Or(
		integration.Within(platformTitle, block.ImageURL, maxURL, "the url of %s", name),
		integration.Within(platformTitle, title, maxAltText, "the caption of %s", name),
	)
}

// uploadURL is the answer of "files.getUploadURLExternal".
type uploadURL struct {
	UploadURL string `json:"upload_url"`
	FileID    string `json:"file_id"`
}

// completion holds the parameters of "files.completeUploadExternal".
type completion struct {
	Files          []completedFile `json:"files"`
	ChannelID      string          `json:"channel_id,omitempty"`
	Channels       string          `json:"channels,omitempty"`
	ThreadTS       string          `json:"thread_ts,omitempty"`
	InitialComment string          `json:"initial_comment,omitempty"`
}

type completedFile struct {
	ID    string `json:"id"`
	Title string `json:"title,omitempty"`
}

// share uploads files and posts them as one message, "Working with files". Nobody sees an upload before it is
// completed, so all of it may be repeated up to then.
func (a *api) share(ctx context.Context, d *draft, to destination) (*integration.SendResult, error) {
	if strings.HasPrefix(to.channel, "#") {
		return nil, integration.Invalid("files go to the id of a channel, such as C024BE91L, and not to its name")
	}
	params := completion{ThreadTS: to.thread, InitialComment: d.post.Text}
	if params.ChannelID = to.channel; userPattern.MatchString(to.channel) {
		params.ChannelID, params.Channels = "", to.channel
	}
	ids := make([]string, len(d.uploads))
	for i := range d.uploads {
		file, err := a.upload(ctx, &d.uploads[i])
		if err != nil {
			return nil, httpapi.Repeatable(err)
		}
		ids[i] = file.ID
		params.Files = append(params.Files, file)
	}
	done, _, err := call[struct{ Files []file }](ctx, a, "files.completeUploadExternal", params)
	if err != nil {
		return nil, err
	}
	result := d.result(map[string]any{"fileIds": ids})
	for _, f := range done.Files { // Slack tells the message only if it has posted it by now
		if result.MessageID = f.sharedAs(to.channel); result.MessageID != "" {
			break
		}
	}
	return result, nil
}

// sharedAs is the id of the message that shares a file in a channel. For a user it is that in the only conversation.
func (f *file) sharedAs(channel string) integration.ID {
	for _, in := range []map[string][]share{f.Shares.Public, f.Shares.Private} {
		for id, list := range in {
			if len(list) > 0 && (id == channel || userPattern.MatchString(channel) && len(in) == 1) {
				return messageID(id, list[0].TS)
			}
		}
	}
	return ""
}

// upload brings one file to Slack.
func (a *api) upload(ctx context.Context, m *integration.Media) (completedFile, error) {
	var none completedFile
	content, err := a.Client.Media(ctx, m, maxUpload)
	if err != nil {
		return none, err
	}
	if len(content.Content) == 0 {
		return none, integration.Refused(codes.MediaEmpty, "the attachment is empty, and Slack takes no file of 0 bytes")
	}
	const method, name = "files.getUploadURLExternal", "slack file upload"
	target, answer, err := call[uploadURL](
		ctx, a, method, url.Values{"filename": {content.Filename}, "length": {strconv.Itoa(len(content.Content))}},
	)
	if err != nil {
		return none, err
	}
	if target.FileID == "" || !a.trusts(target.UploadURL) {
		return none, httpapi.Unreadable("slack "+method, answer.Status, nil)
	}
	answer, err = a.Client.Do(
		ctx,
		httpapi.Request{
			Name: name, URL: target.UploadURL, Body: httpapi.Body{Bytes: content.Content, ContentType: content.MimeType},
		},
	)
	if err != nil {
		return none, err
	}
	if answer.Status != http.StatusOK { // the body is no JSON
		e := httpapi.Foreign(name, answer)
		if e.Kind == integration.FaultPermanent && e.Code != codes.MediaTooLarge {
			e.Code = codes.MediaRejected
		}
		return none, e
	}
	return completedFile{ID: target.FileID, Title: cmp.Or(m.Caption, content.Filename)}, nil
}

// addLinks adds links to files that are at Slack already. Slack shows a file where its permalink is posted, "Working
// with files".
func (a *api) addLinks(ctx context.Context, d *draft) error {
	for _, m := range d.linked {
		f, err := a.fileInfo(ctx, m.ID)
		if err != nil {
			return err
		}
		if f.Permalink == "" {
			return integration.Refused(codes.MediaNotFound, "slack files.info: the file has no permalink")
		}
		d.post.Text = strings.TrimLeft(d.post.Text+"\n"+linkTo(f.Permalink, cmp.Or(m.Caption, f.Title, f.Name)), "\n")
	}
	return nil
}
