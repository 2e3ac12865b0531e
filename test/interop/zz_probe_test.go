package interop_test

import (
	"testing"

	"github.com/hiliosai/switchboard/internal/app"
	"github.com/hiliosai/switchboard/internal/config"
)

func TestZZProbe(t *testing.T) {
	url := natsServer(t).URL()
	p := startKeeper(t, url, peerOptions{})
	bots := startBots(t)
	_ = bots
	set := func(c *config.Config) { c.Services = []string{"telegram", "channels"} }
	c := hostConfig(t, url, set)
	a := startHost(t, url, app.Offer{}, func(x *config.Config) { set(x); x.Channels.DSN = c.Channels.DSN })
	b := startHost(t, url, app.Offer{}, func(c *config.Config) { c.Channels.Store, c.Channels.Action = "action", "channels.get" })
	self := startHost(t, url, app.Offer{}, func(c *config.Config) {
		set(c)
		c.Channels.Store, c.Channels.Action = "action", "channels.get"
	})
	reachable(t, p, a.ID, "telegram.i_status")
	reachable(t, p, b.ID, "telegram.i_status")
	reachable(t, p, self.ID, "telegram.i_status")
	user := fields{"user": fields{"id": "u1", "tenantId": tenantID, "permissions": []string{"*"}}}
	ch := bots.channel("shop")
	res, err := p.Call(t.Context(), "channels.create", fields{"id": "shop", "platform": "telegram", "tenantId": tenantID, "credentials": ch.Credentials, "settings": ch.Settings}, fields{"nodeID": a.ID, "meta": user})
	t.Log(string(res.Data), err)
	msg := fields{"channelId": "shop", "message": fields{"to": fields{"id": "42"}, "content": fields{"type": "TEXT", "text": "hello"}}}
	for _, id := range []string{b.ID, self.ID} {
		for _, meta := range []fields{{}, user} {
			res, err := p.Call(t.Context(), "telegram.i_sendMessage", msg, fields{"nodeID": id, "timeout": 8000, "meta": meta})
			t.Log(id, string(res.Data), err)
		}
	}
	t.Log(len(bots.old.Requests()))
}
