package telegram

// messageContent has the fields of a "Message" for what users write.
type messageContent struct {
	Text            string          `json:"text"`
	Entities        []messageEntity `json:"entities"`
	Caption         string          `json:"caption"`
	CaptionEntities []messageEntity `json:"caption_entities"`
	Document        *file           `json:"document"`
	Voice           *file           `json:"voice"`
	Video           *file           `json:"video"`
	Audio           *file           `json:"audio"`
	Animation       *file           `json:"animation"`
	VideoNote       *file           `json:"video_note"`
	Photo           []file          `json:"photo"` // sizes of one picture, the last is the largest
	Sticker         *sticker        `json:"sticker"`
	Location        *location       `json:"location"`
	Venue           *venue          `json:"venue"`
	Contact         *contact        `json:"contact"`
	Poll            *poll           `json:"poll"`
	Dice            *dice           `json:"dice"`
}

// serviceContent has the fields of a "Message" for what Telegram itself writes, as far as they are read.
type serviceContent struct {
	NewChatMembers    []user          `json:"new_chat_members"`
	LeftChatMember    *user           `json:"left_chat_member"`
	NewChatTitle      string          `json:"new_chat_title"`
	MigrateToChatID   int64           `json:"migrate_to_chat_id"`
	MigrateFromChatID int64           `json:"migrate_from_chat_id"`
	PinnedMessage     *repliedMessage `json:"pinned_message"`
	SuccessfulPayment *payment        `json:"successful_payment"`
	RefundedPayment   *payment        `json:"refunded_payment"`
	WebAppData        *webAppData     `json:"web_app_data"`
}

// file has the fields of "PhotoSize", "Document", "Voice", "Video", "Audio", "Animation" and "VideoNote", and of the
// answer of getFile, "File".
type file struct {
	FileID   string `json:"file_id"`
	FileSize int64  `json:"file_size"` // bytes
	FilePath string `json:"file_path"` // of getFile only
	FileName string `json:"file_name"`
	MimeType string `json:"mime_type"`
	Duration int64  `json:"duration"` // seconds
	Width    int    `json:"width"`
	Height   int    `json:"height"`
	Length   int    `json:"length"` // of a video note: width and height
}

type sticker struct {
	file
	IsAnimated bool   `json:"is_animated"`
	IsVideo    bool   `json:"is_video"`
	Emoji      string `json:"emoji"`
	SetName    string `json:"set_name"`
}

type location struct {
	Latitude   float64 `json:"latitude"`
	Longitude  float64 `json:"longitude"`
	LivePeriod int64   `json:"live_period"` // seconds, of live locations only
}

type venue struct {
	Location location `json:"location"`
	Title    string   `json:"title"`
	Address  string   `json:"address"`
}

type contact struct {
	PhoneNumber string `json:"phone_number"`
	FirstName   string `json:"first_name"`
	LastName    string `json:"last_name"`
	UserID      int64  `json:"user_id"`
	VCard       string `json:"vcard"`
}

type poll struct {
	ID       string `json:"id"`
	Question string `json:"question"`
	Options  []struct {
		Text       string `json:"text"`
		VoterCount int64  `json:"voter_count"`
	} `json:"options"`
	TotalVoterCount       int64 `json:"total_voter_count"`
	IsClosed              bool  `json:"is_closed"`
	AllowsMultipleAnswers bool  `json:"allows_multiple_answers"`
}

type dice struct {
	Emoji string `json:"emoji"`
	Value int64  `json:"value"`
}

// payment has the fields that "SuccessfulPayment" and "RefundedPayment" share.
type payment struct {
	Currency                string `json:"currency"`
	TotalAmount             int64  `json:"total_amount"` // in the smallest unit of the currency
	InvoicePayload          string `json:"invoice_payload"`
	TelegramPaymentChargeID string `json:"telegram_payment_charge_id"`
	ProviderPaymentChargeID string `json:"provider_payment_charge_id"`
}

type webAppData struct {
	Data       string `json:"data"`
	ButtonText string `json:"button_text"`
}
