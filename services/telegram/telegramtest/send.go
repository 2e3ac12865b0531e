package telegramtest

import "strconv"

type sendMessageParams struct {
	common
	Text               string         `json:"text"`
	ParseMode          string         `json:"parse_mode"`
	Entities           []entity       `json:"entities"`
	LinkPreviewOptions map[string]any `json:"link_preview_options"`
}

func (s *Server) sendMessage(in *input) Response {
	var p sendMessageParams
	if err := in.decode(&p); err != nil {
		return badRequest("%v", err)
	}
	if f := firstFault(p.fault(), fault(blank(p.Text), "message text is empty"), textFault(p.Text, p.ParseMode, p.Entities, 4096, "message")); f != "" {
		return badRequest("%s", f)
	}
	return success(s.message(&p.common, map[string]any{"text": p.Text}))
}

type point struct {
	Latitude  *float64 `json:"latitude"`
	Longitude *float64 `json:"longitude"`
}

func (p *point) fault() string {
	switch {
	case p.Latitude == nil || p.Longitude == nil:
		return "latitude or longitude is empty"
	case *p.Latitude < -90 || *p.Latitude > 90 || *p.Longitude < -180 || *p.Longitude > 180:
		return "wrong latitude or longitude specified"
	default:
		return ""
	}
}

func (s *Server) sendLocation(in *input) Response {
	var p struct {
		common
		point
		HorizontalAccuracy   float64 `json:"horizontal_accuracy"`
		LivePeriod           int     `json:"live_period"`
		Heading              int     `json:"heading"`
		ProximityAlertRadius int     `json:"proximity_alert_radius"`
	}
	if err := in.decode(&p); err != nil {
		return badRequest("%v", err)
	}
	if f := firstFault(p.common.fault(), p.point.fault()); f != "" {
		return badRequest("%s", f)
	}
	return success(s.message(&p.common, map[string]any{"location": p.point}))
}

func (s *Server) sendVenue(in *input) Response {
	var p struct {
		common
		point
		Title           string `json:"title"`
		Address         string `json:"address"`
		FoursquareID    string `json:"foursquare_id"`
		FoursquareType  string `json:"foursquare_type"`
		GooglePlaceID   string `json:"google_place_id"`
		GooglePlaceType string `json:"google_place_type"`
	}
	if err := in.decode(&p); err != nil {
		return badRequest("%v", err)
	}
	if f := firstFault(p.common.fault(), p.point.fault(), fault(p.Title == "", "title must be non-empty"), fault(p.Address == "", "address must be non-empty")); f != "" {
		return badRequest("%s", f)
	}
	return success(s.message(&p.common, map[string]any{"venue": map[string]any{"location": p.point, "title": p.Title, "address": p.Address}}))
}

func (s *Server) sendContact(in *input) Response {
	var p struct {
		common
		PhoneNumber string `json:"phone_number"`
		FirstName   string `json:"first_name"`
		LastName    string `json:"last_name"`
		VCard       string `json:"vcard"`
	}
	if err := in.decode(&p); err != nil {
		return badRequest("%v", err)
	}
	if f := firstFault(p.fault(), fault(p.PhoneNumber == "", "phone number must be non-empty"), fault(p.FirstName == "", "first name must be non-empty"),
		fault(len(p.VCard) > 2048, "vcard is too long")); f != "" {
		return badRequest("%s", f)
	}
	return success(s.message(&p.common, map[string]any{"contact": map[string]any{"phone_number": p.PhoneNumber, "first_name": p.FirstName}}))
}

type pollParams struct {
	common
	Question string `json:"question"`
	Options  []struct {
		Text string `json:"text"`
	} `json:"options"`
	IsAnonymous           *bool  `json:"is_anonymous"`
	Type                  string `json:"type"`
	AllowsMultipleAnswers bool   `json:"allows_multiple_answers"`
	IsClosed              bool   `json:"is_closed"`
}

func (p *pollParams) pollFault() string {
	chat, _ := chatOf(p.ChatID)
	switch {
	case blank(p.Question):
		return "poll question must be non-empty"
	case units(p.Question) > 300:
		return "poll question length must not exceed 300"
	case len(p.Options) < 1 || len(p.Options) > 12:
		return "poll must have 1 to 12 options"
	case chat["type"] == "channel" && (p.IsAnonymous != nil && !*p.IsAnonymous):
		return "non-anonymous polls can't be sent to channel chats"
	}
	for _, o := range p.Options {
		switch {
		case blank(o.Text):
			return "poll option must be non-empty"
		case units(o.Text) > 100:
			return "poll options length must not exceed 100"
		}
	}
	return ""
}

func (s *Server) sendPoll(in *input) Response {
	var p pollParams
	if err := in.decode(&p); err != nil {
		return badRequest("%v", err)
	}
	if f := firstFault(p.fault(), p.pollFault()); f != "" {
		return badRequest("%s", f)
	}
	m := s.message(&p.common, nil)
	m["poll"] = map[string]any{"id": "poll-" + strconv.FormatInt(m["message_id"].(int64), 10), "question": p.Question, "options": p.Options}
	return success(m)
}
