package hashtree_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/doublelock/doublelock/shared/hashtree"
)

func TestEachTextIsProvedAndNoOther(t *testing.T) {
	for n := 1; n <= 33; n++ {
		var texts [][]byte
		for i := range n {
			texts = append(texts, fmt.Appendf(nil, "text %d", i))
		}
		root, paths := hashtree.Of(texts)
		for i, text := range texts {
			if !hashtree.Has(root, text, paths[i]) {
				t.Errorf("%d of %d is not proved", i, n)
			}
			if hashtree.Has(root, []byte("another"), paths[i]) {
				t.Errorf("another text is proved by the path of %d of %d", i, n)
			}
			if next := paths[(i+1)%n]; n > 1 && hashtree.Has(root, text, next) {
				t.Errorf("%d of %d is proved by the path of another", i, n)
			}
		}
	}
}

// The example of RFC 6962, section 2.1.3: seven leaves, as certificate-transparency logs hash them.
func TestTheTreeIsThatOfRFC6962(t *testing.T) {
	h := func(prefix byte, parts ...[]byte) []byte {
		text := []byte{prefix}
		for _, p := range parts {
			text = append(text, p...)
		}
		sum := sha256.Sum256(text)
		return sum[:]
	}
	var d [][]byte
	var l [][]byte
	for i := range 7 {
		d = append(d, []byte{byte('0' + i)})
		l = append(l, h(0, d[i]))
	}
	k := h(1, h(1, h(1, l[0], l[1]), h(1, l[2], l[3])), h(1, h(1, l[4], l[5]), l[6]))
	if root, _ := hashtree.Of(d); root != hex.EncodeToString(k) {
		t.Errorf("root %s, want %x", root, k)
	}
}

// A node is no text: whoever knows two digests cannot have them pass for one.
func TestANodeDoesNotPassForAText(t *testing.T) {
	texts := [][]byte{[]byte("a"), []byte("b"), []byte("c"), []byte("d")}
	root, paths := hashtree.Of(texts)
	inner := append(sum(0, "a"), sum(0, "b")...)
	if hashtree.Has(root, inner, paths[0][1:]) {
		t.Error("an inner node is a text")
	}
}

func sum(prefix byte, text string) []byte {
	s := sha256.Sum256(append([]byte{prefix}, text...))
	return s[:]
}

func FuzzHas(f *testing.F) {
	root, paths := hashtree.Of([][]byte{[]byte("a"), []byte("b"), []byte("c")})
	f.Add("a", paths[0][0].Digest, true)
	f.Fuzz(func(t *testing.T, text, digest string, left bool) {
		if hashtree.Has(root, []byte(text), []hashtree.Beside{{Digest: digest, Left: left}}) && text != "c" {
			t.Errorf("%q is proved by %s", text, digest)
		}
	})
}
