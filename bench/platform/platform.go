// Command platform is a fake messaging platform API: it answers every POST with
// {"ok":true,"result":{"message_id":N}} at once on -fast and after -delay on -slow.
package main

import (
	"flag"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

func main() {
	fast := flag.String("fast", "127.0.0.1:24280", "address that answers at once")
	slow := flag.String("slow", "127.0.0.1:24281", "address that answers after -delay")
	delay := flag.Duration("delay", 50*time.Millisecond, "")
	flag.Parse()
	var n atomic.Int64
	handler := func(d time.Duration) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			if d > 0 {
				time.Sleep(d)
			}
			var buf [96]byte
			b := append(buf[:0], `{"ok":true,"result":{"message_id":`...)
			b = strconv.AppendInt(b, n.Add(1), 10)
			b = append(b, "}}"...)
			w.Header()["Content-Type"] = []string{"application/json"}
			w.Write(b)
		})
	}
	for addr, d := range map[string]time.Duration{*fast: 0, *slow: *delay} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			log.Fatal(err)
		}
		go func() { log.Fatal((&http.Server{Handler: handler(d), IdleTimeout: 2 * time.Minute}).Serve(l)) }()
	}
	select {}
}
