package listener

import (
	"net/http"

	"github.com/sirupsen/logrus"
)

// Held is how many bytes the bodies of webhooks under way have.
func (l *Listener) Held() int64 { return l.bodies.held.Held() }

// Handler is a listener's without its socket.
func Handler(caller Caller, log *logrus.Entry) http.Handler {
	l := &Listener{caller: caller, services: []string{"parrot"}, bodies: newBodies(0), log: log}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{service}/{channelId}", l.receive)
	mux.HandleFunc("GET /{service}/{channelId}", l.verify)
	return mux
}
