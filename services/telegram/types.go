package telegram

import "encoding/json"

// The objects of the Bot API, "Available types", with the fields that are read here. A field that is not declared
// cannot be of the wrong type. Contents of messages are in types_content.go.

// update is "Update": at most one of the pointers is set.
type update struct {
	UpdateID              json.RawMessage `json:"update_id"` // see updateID
	Message               *message        `json:"message"`
	EditedMessage         *message        `json:"edited_message"`
	ChannelPost           *message        `json:"channel_post"`
	EditedChannelPost     *message        `json:"edited_channel_post"`
	BusinessMessage       *message        `json:"business_message"`
	EditedBusinessMessage *message        `json:"edited_business_message"`
	GuestMessage          *message        `json:"guest_message"`

	// What users do with messages.
	CallbackQuery        *callbackQuery   `json:"callback_query"`
	MessageReaction      *messageReaction `json:"message_reaction"`
	MessageReactionCount *reactionCounts  `json:"message_reaction_count"`
	Poll                 *poll            `json:"poll"`
	PollAnswer           *pollAnswer      `json:"poll_answer"`

	DeletedBusinessMessages *deletedMessages    `json:"deleted_business_messages"`
	BusinessConnection      *businessConnection `json:"business_connection"`

	MyChatMember    *memberUpdate `json:"my_chat_member"` // of the bot itself
	ChatMember      *memberUpdate `json:"chat_member"`
	ChatJoinRequest *joinRequest  `json:"chat_join_request"`
}

// message is a "Message", or an "InaccessibleMessage" of a callback query, whose date is 0.
type message struct {
	MessageID            int64                 `json:"message_id"`
	MessageThreadID      int64                 `json:"message_thread_id"`
	IsTopicMessage       bool                  `json:"is_topic_message"`
	DirectMessagesTopic  directMessagesTopic   `json:"direct_messages_topic"`
	From                 *user                 `json:"from"`
	SenderChat           *chat                 `json:"sender_chat"`
	SenderBusinessBot    *user                 `json:"sender_business_bot"`
	Chat                 chat                  `json:"chat"`
	Date                 int64                 `json:"date"`
	EditDate             int64                 `json:"edit_date"`
	BusinessConnectionID string                `json:"business_connection_id"`
	GuestQueryID         string                `json:"guest_query_id"`
	ForwardOrigin        *messageOrigin        `json:"forward_origin"`
	ForwardDate          int64                 `json:"forward_date"` // of Bot API servers before version 7.0
	ReplyToMessage       *repliedMessage       `json:"reply_to_message"`
	ExternalReply        *repliedMessage       `json:"external_reply"`
	Quote                *textQuote            `json:"quote"`
	MediaGroupID         string                `json:"media_group_id"`
	ReplyMarkup          *inlineKeyboardMarkup `json:"reply_markup"`

	messageContent
	serviceContent
}

// messageOrigin is any "MessageOrigin".
type messageOrigin struct {
	SenderUser     *user  `json:"sender_user"`
	SenderUserName string `json:"sender_user_name"` // of a user who hides their account
	SenderChat     *chat  `json:"sender_chat"`
	Chat           *chat  `json:"chat"` // a channel
}

type directMessagesTopic struct {
	TopicID int64 `json:"topic_id"`
}

// repliedMessage is the part that is read of a "Message" that another one is about, and of "ExternalReplyInfo".
type repliedMessage struct {
	MessageID  int64  `json:"message_id"`
	From       *user  `json:"from"`
	SenderChat *chat  `json:"sender_chat"`
	Chat       chat   `json:"chat"`
	Text       string `json:"text"`
	Caption    string `json:"caption"`
}

type textQuote struct {
	Text string `json:"text"`
}

type user struct {
	ID           int64  `json:"id"`
	IsBot        bool   `json:"is_bot"`
	FirstName    string `json:"first_name"`
	LastName     string `json:"last_name"`
	Username     string `json:"username"`
	LanguageCode string `json:"language_code"`
}

type chat struct {
	ID        int64  `json:"id"`
	Type      string `json:"type"`
	Title     string `json:"title"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
	Username  string `json:"username"`
}

type callbackQuery struct {
	ID              string   `json:"id"`
	From            user     `json:"from"`
	Message         *message `json:"message"`
	InlineMessageID string   `json:"inline_message_id"`
	Data            string   `json:"data"`
}

// deletedMessages is "BusinessMessagesDeleted".
type deletedMessages struct {
	BusinessConnectionID string  `json:"business_connection_id"`
	Chat                 chat    `json:"chat"`
	MessageIDs           []int64 `json:"message_ids"`
}

type businessConnection struct {
	ID         string `json:"id"`
	User       user   `json:"user"`
	UserChatID int64  `json:"user_chat_id"`
	Date       int64  `json:"date"`
	IsEnabled  bool   `json:"is_enabled"`
}

// messageReaction is "MessageReactionUpdated".
type messageReaction struct {
	Chat        chat           `json:"chat"`
	MessageID   int64          `json:"message_id"`
	User        *user          `json:"user"`
	ActorChat   *chat          `json:"actor_chat"` // on whose behalf someone reacted
	Date        int64          `json:"date"`
	OldReaction []reactionType `json:"old_reaction"`
	NewReaction []reactionType `json:"new_reaction"`
}

// reactionCounts is "MessageReactionCountUpdated".
type reactionCounts struct {
	Chat      chat  `json:"chat"`
	MessageID int64 `json:"message_id"`
	Date      int64 `json:"date"`
	Reactions []struct {
		Type       reactionType `json:"type"`
		TotalCount int64        `json:"total_count"`
	} `json:"reactions"`
}

// reactionType is "ReactionType", in both directions.
type reactionType struct {
	Type          string `json:"type"`
	Emoji         string `json:"emoji,omitempty"`
	CustomEmojiID string `json:"custom_emoji_id,omitempty"`
}

type pollAnswer struct {
	PollID    string `json:"poll_id"`
	VoterChat *chat  `json:"voter_chat"` // on whose behalf someone voted
	User      *user  `json:"user"`
	OptionIDs []int  `json:"option_ids"`
}

// memberUpdate is "ChatMemberUpdated".
type memberUpdate struct {
	Chat          chat       `json:"chat"`
	From          user       `json:"from"`
	Date          int64      `json:"date"`
	OldChatMember chatMember `json:"old_chat_member"`
	NewChatMember chatMember `json:"new_chat_member"`
}

type chatMember struct {
	Status   string `json:"status"`
	User     user   `json:"user"`
	IsMember bool   `json:"is_member"` // of those with status "restricted"
}

type joinRequest struct {
	Chat       chat   `json:"chat"`
	From       user   `json:"from"`
	UserChatID int64  `json:"user_chat_id"`
	Date       int64  `json:"date"`
	Bio        string `json:"bio"`
}

// otherUpdate has fields that most unknown kinds of updates have.
type otherUpdate struct {
	ID   json.RawMessage `json:"id"` // mostly a string
	Chat chat            `json:"chat"`
	From *user           `json:"from"`
	User *user           `json:"user"` // of reactions and of votes
	Date int64           `json:"date"`
}

type inlineKeyboardMarkup struct {
	InlineKeyboard [][]inlineKeyboardButton `json:"inline_keyboard"`
}

type inlineKeyboardButton struct {
	Text         string `json:"text"`
	Style        string `json:"style,omitempty"`
	CallbackData string `json:"callback_data,omitempty"`
	URL          string `json:"url,omitempty"`
}

// messageEntity is "MessageEntity", in both directions; offset and length count UTF-16 code units.
type messageEntity struct {
	Type   string      `json:"type"`
	Offset int         `json:"offset"`
	Length int         `json:"length"`
	URL    string      `json:"url,omitempty"`
	User   *entityUser `json:"user,omitempty"`
}

type entityUser struct {
	ID int64 `json:"id"`
}
