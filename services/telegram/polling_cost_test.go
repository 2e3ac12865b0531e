//go:build cost

package telegram_test

import (
	"bufio"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/leases"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

// fakeBots makes the test's program a Bot API of that many bots. It is a process of its own, so that what it needs is
// not measured.
const fakeBots = "TELEGRAM_FAKE_BOTS"

func TestMain(m *testing.M) {
	if bots, err := strconv.Atoi(os.Getenv(fakeBots)); err == nil {
		serveBots(bots)
		return
	}
	os.Exit(m.Run())
}

func botToken(n int) string { return fmt.Sprintf("%d:%s", 100_000+n, canary) }

// serveBots says where the Bot API is, with HTTP/1.1 and with HTTP/2, and serves it until standard input ends.
func serveBots(bots int) {
	server := telegramtest.NewServer(token)
	defer server.Close()
	for n := range bots {
		server.AddBot(botToken(n))
	}
	mux := http.NewServeMux()
	mux.Handle("/", server)
	mux.HandleFunc("/waiting", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, server.Waiting()) })
	plain := httptest.NewServer(mux)
	secure := httptest.NewUnstartedServer(mux)
	secure.EnableHTTP2 = true
	secure.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 128} // as nginx has it
	secure.StartTLS()
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	fmt.Printf("%s %s %q\n", plain.URL, secure.URL, certificate)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func TestCostOfIdlePolls(t *testing.T) {
	for _, bots := range []int{1000, 10_000} {
		for _, protocol := range []string{"HTTP 1.1", "HTTP 2"} {
			t.Run(fmt.Sprint(bots, " over ", protocol), func(t *testing.T) { measureIdlePolls(t, bots, protocol) })
		}
	}
}

func measureIdlePolls(t *testing.T, bots int, protocol string) {
	t.Helper()
	plain, secure, certificate := startBots(t, bots)
	file := filepath.Join(t.TempDir(), "certificate.pem")
	require.NoError(t, os.WriteFile(file, []byte(certificate), 0o600))
	t.Setenv("SSL_CERT_FILE", file) // Go reads it once, and the certificate is always the same

	w := &pollingWorld{
		t: t, store: &channels{}, stream: &stream{}, leases: leases.NewMemory(),
		logs: &integrationtest.Log{},
	}
	base := map[string]string{"HTTP 1.1": plain, "HTTP 2": secure}[protocol]
	for n := range bots {
		ch := pollingChannel(base)
		ch.ID, ch.Credentials["token"] = fmt.Sprint("ch-", n), botToken(n)
		w.store.list = append(w.store.list, ch)
	}
	heap, rss := memory(t)
	_, stop := w.node("n1")
	w.eventually(func() bool { return get(t, plain+"/waiting") == strconv.Itoa(bots) }, "not all polls wait")
	heapNow, rssNow := memory(t)
	perPoll := float64(heapNow-heap) / float64(bots) / 1024

	cpu, began := processorTime(t), time.Now()
	timer := time.NewTimer(time.Minute) // each poll ends and begins again in it
	defer timer.Stop()
	<-timer.C
	share := float64(processorTime(t)-cpu) / float64(time.Since(began)) * 100
	t.Logf("%d idle polls over %s: %.1f KB each in heap and stacks, %.1f KB of the process (%d MB in all), "+
		"%.2f %% of a core",
		bots, protocol, perPoll, float64(rssNow-rss)/float64(bots)/1024, rssNow>>20, share)
	require.Less(t, perPoll, 60.0)
	require.Less(t, rssNow, int64(1<<30))
	stop()
}

// startBots starts the Bot API in a process of its own.
func startBots(t *testing.T, bots int) (plain, secure, certificate string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fakeBots+"="+strconv.Itoa(bots))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	_, err = fmt.Sscanf(line, "%s %s %q", &plain, &secure, &certificate)
	require.NoError(t, err)
	return plain, secure, certificate
}

func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return string(body)
}

// memory returns what heap and stacks use, and the resident memory of the process, in bytes.
func memory(t *testing.T) (used, rss int64) {
	t.Helper()
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	status, err := os.ReadFile("/proc/self/statm")
	require.NoError(t, err)
	pages, err := strconv.ParseInt(strings.Fields(string(status))[1], 10, 64)
	require.NoError(t, err)
	return int64(m.HeapAlloc + m.StackInuse), pages * int64(os.Getpagesize())
}

func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
