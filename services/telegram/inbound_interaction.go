package telegram

import (
	"bytes"
	"encoding/json"

	"github.com/hiliosai/switchboard/integration"
)

// readCallbackQuery fills in the press of a button and says whether it carries data, which the
// buttons of games do not.
func readCallbackQuery(m *integration.Message, q *callbackQuery) bool {
	m.ID = integration.ID(q.ID)
	m.Kind = integration.KindInteraction
	readSender(m, &q.From)
	putContext(m, metaCallbackQuery, q.ID)
	integration.PutText(m.Metadata, "inlineMessageId", q.InlineMessageID)

	reply := &integration.InteractiveReply{ID: q.Data}
	if q.Message != nil {
		readChat(m, q.Message)
		reply.Title = q.Message.ReplyMarkup.title(q.Data)
		reply.SourceMessageID = messageID(q.Message.Chat.ID, q.Message.MessageID)
	} else {
		// The button is on a message sent in inline mode and Telegram does not say in which chat. What
		// the bot shares with the user for sure is their private chat, and its id is the user's.
		m.ConversationID = m.From.ID
	}
	m.Content = integration.Content{
		Type: integration.TypeButton, Text: reply.Title, Interactive: &integration.Interactive{Reply: reply},
	}
	return q.Data != ""
}

// title is what the button with this callback_data says, or "".
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

// readWebAppData fills in what a Web App sends that a button of a reply keyboard has opened, "WebAppData".
// It is whatever the app, or a manipulated client, makes of it: mostly JSON.
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

// formValues are the members of a JSON object; anything else is the value of a field called data.
func formValues(data string) map[string]any {
	decoder := json.NewDecoder(bytes.NewReader([]byte(data)))
	decoder.UseNumber() // ids may be beyond what a float64 holds
	var values map[string]any
	if decoder.Decode(&values) != nil || values == nil || decoder.More() {
		return map[string]any{"data": data}
	}
	return values
}

// readPollState fills in the new state of a poll that the bot sent or somebody closed, "Poll". Telegram says
// neither in which chat nor in which message it is: sending the poll told its id.
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

// readPollAnswer fills in a vote, or that it was taken back: then nothing is chosen. As for buttons in inline
// mode, the chat is not told and the voter's own takes its place.
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
