package httpapi_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration/httpapi"
)

func TestFilenameIsSafeToUse(t *testing.T) {
	for text, want := range map[string]string{
		"report.pdf":                      "report.pdf",
		"测试 文件.pdf":                       "测试 文件.pdf",
		"Invoice 1/2026.pdf":              "2026.pdf",
		"../../etc/passwd":                "passwd",
		`..\..\boot.ini`:                  "boot.ini",
		" a\x00b\r\n.pdf ":                "ab.pdf",
		"a\u202egpj.exe":                  "agpj.exe",
		"a\xffb":                          "ab",
		"":                                "",
		"..":                              "",
		"/":                               "",
		"50% of ?what#.pdf":               "50% of ?what#.pdf",
		".bashrc":                         ".bashrc",
		strings.Repeat("ü", 200):          strings.Repeat("ü", 127),
		strings.Repeat("a", 300) + ".pdf": strings.Repeat("a", 251) + ".pdf",
	} {
		require.Equal(t, want, httpapi.Filename(text), text)
		require.LessOrEqual(t, len(httpapi.Filename(text)), 255)
	}
}

func TestLinkNamesTheFile(t *testing.T) {
	for link, want := range map[string]string{
		"https://x.example/docs/Order%20Receipt.pdf?sig=abc": "Order Receipt.pdf",
		"https://x.example/%D1%82.pdf#page=2":                "т.pdf",
		"https://x.example/a%2Fb.pdf":                        "b.pdf",
		"https://x.example/..%5C..%5Cboot.ini":               "boot.ini",
		"https://x.example/files/7/download":                 "",
		"https://x.example/files/7/download?name=a.pdf":      "",
		"https://x.example/download.php?id=7":                "",
		"https://x.example/Get.aspx":                         "",
		"https://x.example/attachments/":                     "",
		"https://x.example/v1.5/file_0":                      "",
		"https://x.example/":                                 "",
		"https://x.example":                                  "",
		"https://x.example/report.":                          "",
		"report.pdf":                                         "",
		"":                                                   "",
	} {
		require.Equal(t, want, httpapi.LinkName(link), link)
	}
}

func TestLinkHostLeavesOutThePath(t *testing.T) {
	require.Equal(
		t, "gw.example.org:8443", httpapi.LinkHost("https://user:canary@gw.example.org:8443/telegram/canary?canary"),
	)
	require.Empty(t, httpapi.LinkHost("gw.example.org"))
	require.Empty(t, httpapi.LinkHost("://canary"))
}
