package integration_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
)

func TestIdempotencyKeyIsThatOfOneMessageToOneRecipient(t *testing.T) {
	shop := &integration.Channel{ID: "shop"}
	message := func(id, to, conversation integration.ID) *integration.Message {
		return &integration.Message{ID: id, To: integration.Party{ID: to}, ConversationID: conversation}
	}
	key := message("m-1", "ada", "").IdempotencyKey(shop)
	require.Regexp(t, `^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`, key)
	require.Equal(t, key, message("m-1", "ada", "chat").IdempotencyKey(shop))
	require.Equal(t, key, message("m-1", "", "ada").IdempotencyKey(shop))
	require.NotEqual(t, key, message("m-2", "ada", "").IdempotencyKey(shop))
	require.NotEqual(t, key, message("m-1", "bob", "").IdempotencyKey(shop))
	require.NotEqual(t, key, message("m-1", "ada", "").IdempotencyKey(&integration.Channel{ID: "bar"}))
	require.Empty(t, message("", "ada", "").IdempotencyKey(shop))
}

func TestPressedButtonIsAnInteraction(t *testing.T) {
	var m integration.Message
	m.Press(integration.InteractiveReply{ID: "y", Title: "Yes"})
	require.Equal(t, integration.KindInteraction, m.Kind)
	require.Equal(t, integration.TypeButton, m.Content.Type)
	require.Equal(t, "Yes", m.Content.Text)
	require.Equal(t, "y", m.Content.Interactive.Reply.ID)
}

func TestAttachmentsOfOneContentMayDiffer(t *testing.T) {
	picture, clip := integration.Media{MimeType: "image/png"}, integration.Media{MimeType: "video/mp4"}
	one := integration.Content{Type: integration.TypeSticker, Media: &picture}
	require.Equal(t, integration.TypeSticker, one.TypeOf(&picture))
	several := integration.Content{Type: integration.TypeImage, Attachments: []integration.Media{picture, clip, {}}}
	require.Equal(t, integration.TypeVideo, several.TypeOf(&clip))
	require.Equal(t, integration.TypeImage, several.TypeOf(&several.Attachments[2]))
	several.Type = integration.TypeFile
	require.Equal(t, integration.TypeFile, several.TypeOf(&clip))
}

func TestPlaceHasANameAndAnAddress(t *testing.T) {
	for _, test := range []struct {
		at            integration.Location
		name, address string
	}{
		{integration.Location{Name: "Pier", Address: "1 Quay"}, "Pier", "1 Quay"},
		{integration.Location{Name: "Pier"}, "Pier", "Pier"},
		{integration.Location{Address: "1 Quay"}, "1 Quay", "1 Quay"},
		{integration.Location{Latitude: 1.5, Longitude: -2}, "1.5, -2", "1.5, -2"},
	} {
		name, address := test.at.Place()
		require.Equal(t, []string{test.name, test.address}, []string{name, address})
	}
}

func TestHealthIsLowered(t *testing.T) {
	h := integration.Healthy("can send", nil)
	require.Equal(t, integration.HealthHealthy, h.Status)
	h.Degrade("cannot receive")
	require.Equal(t, integration.HealthDegraded, h.Status)
	h.Fail("is closed")
	require.Equal(t, &integration.Health{Status: integration.HealthUnhealthy, Message: "is closed"}, h)
}
