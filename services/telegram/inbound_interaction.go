package telegram

import (
	"bytes"
	"encoding/json"

	"github.com/hiliosai/switchboard/integration"
)

// readCallbackQuery fills in the press of a button and says whether it has data. Buttons of games have none.
func readCallbackQuery(m *integration.Message, q *callbackQuery) bool {
	m.ID = integration.ID(q.ID)
	readSender(m, &q.From)
	putContext(m, metaCallbackQuery, q.ID)
	integration.PutText(m.Metadata, "inlineMessageId", q.InlineMessageID)

	reply := integration.InteractiveReply{ID: q.Data}
	if q.Message != nil {
		readChat(m, q.Message)
		reply.Title = q.Message.ReplyMarkup.title(q.Data)
		reply.SourceMessageID = messageID(q.Message.Chat.ID, q.Message.MessageID)
	} else {
		// The message was sent in inline mode, and Telegram does not tell its chat. The conversation is the user's
		// private chat with the bot. Its id is the user's.
		m.ConversationID = m.From.ID
	}
	m.Press(reply)
	return q.Data != ""
}

// title returns the text of the button with this callback_data, or "".
func (k *inlineKeyboardMarkup) title(data string) string {
	if k == nil {
		return ""
	}
	for _, row := range k.InlineKeyboard {
		for _, b := range row {
			if b.CallbackData == data {
				return b.Text
			}
		}
	}
	return ""
}

// readWebAppData fills in the data of a Web App that a button of a reply keyboard opened, "WebAppData". The data is
// mostly JSON. A manipulated client can send anything.
func readWebAppData(m *integration.Message, data *webAppData) {
	m.Kind = integration.KindInteraction
	m.Content = integration.Content{
		Type: integration.TypeInteractive, Text: data.ButtonText,
		Interactive: &integration.Interactive{
			Kind:  integration.InteractiveForm,
			Reply: &integration.InteractiveReply{ID: data.ButtonText, Title: data.ButtonText, FormValues: formValues(data.Data)},
		},
	}
}

// formValues returns the members of a JSON object. Any other text becomes the value of a field called data.
func formValues(data string) map[string]any {
	decoder := json.NewDecoder(bytes.NewReader([]byte(data)))
	decoder.UseNumber() // a float64 does not hold all ids
	var values map[string]any
	if decoder.Decode(&values) != nil || values == nil || decoder.More() {
		return map[string]any{"data": data}
	}
	return values
}

// readPollState fills in the new state of a poll, "Poll". Telegram tells neither its chat nor its message. The result
// of the send had the poll's id.
func readPollState(m *integration.Message, p *poll) {
	m.Kind = integration.KindSystem
	m.ConversationID = integration.ID("poll:" + p.ID)
	m.Content = integration.Content{
		Type: integration.TypePoll, Poll: p.normalize(), System: &integration.System{Event: "poll_changed"},
	}
	votes := make([]int64, len(p.Options))
	for i, o := range p.Options {
		votes[i] = o.VoterCount
	}
	m.Metadata["votes"], m.Metadata["voters"] = votes, p.TotalVoterCount
}

// readPollAnswer fills in a vote. A vote that was taken back has chosen nothing. Telegram does not tell the chat, so
// the conversation is the voter's private chat with the bot.
func readPollAnswer(m *integration.Message, a *pollAnswer) bool {
	m.Kind = integration.KindInteraction
	switch {
	case a.VoterChat != nil: // "user" then holds a made-up bot
		m.From = a.VoterChat.party()
		integration.PutText(m.Metadata, "username", a.VoterChat.Username)
	case a.User != nil:
		readSender(m, a.User)
	}
	m.ConversationID = m.From.ID
	m.Content = integration.Content{
		Type: integration.TypePoll, Poll: &integration.Poll{ID: integration.ID(a.PollID), Chosen: a.OptionIDs},
	}
	return a.PollID != "" && m.From.ID != ""
}
