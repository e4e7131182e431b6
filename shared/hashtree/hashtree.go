// Package hashtree proves that one of many texts is under a digest, to whoever knows the digest alone.
//
// The tree is that of RFC 6962, section 2.1, with SHA-256: a text never passes for a node.
package hashtree

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
)

// Beside is the digest beside one on the way to the root.
type Beside struct {
	Digest string `json:"digest"` // hexadecimal
	Left   bool   `json:"left,omitempty"`
}

// Of is the digest of texts, of which there is at least one, in hexadecimal, and the path of each to it.
func Of(texts [][]byte) (root string, paths [][]Beside) {
	var leaves [][]byte
	for _, text := range texts {
		leaves = append(leaves, leaf(text))
	}
	return Over(leaves)
}

// Over is Of for texts of which only the leaves are at hand: what Leaf sums up to when a text was written to it.
func Over(leaves [][]byte) (root string, paths [][]Beside) {
	top, paths := tree(leaves)
	return hex.EncodeToString(top), paths
}

// Leaf takes a text that is written to it.
func Leaf() hash.Hash { return digest(0) }

// Has reports that a text is under a root, by its path.
func Has(root string, text []byte, path []Beside) bool {
	at := leaf(text)
	for _, b := range path {
		other, err := hex.DecodeString(b.Digest)
		if err != nil || len(other) != sha256.Size {
			return false
		}
		if b.Left {
			at = node(other, at)
		} else {
			at = node(at, other)
		}
	}
	return hex.EncodeToString(at) == root
}

func leaf(text []byte) []byte {
	h := Leaf()
	h.Write(text)
	return h.Sum(nil)
}

func node(left, right []byte) []byte {
	h := digest(1)
	h.Write(left)
	h.Write(right)
	return h.Sum(nil)
}

func digest(kind byte) hash.Hash {
	h := sha256.New()
	h.Write([]byte{kind})
	return h
}

func tree(leaves [][]byte) (root []byte, paths [][]Beside) {
	if len(leaves) == 1 {
		return leaves[0], [][]Beside{nil}
	}
	k := 1 // the largest power of two below their number
	for k*2 < len(leaves) {
		k *= 2
	}
	left, paths := tree(leaves[:k])
	right, more := tree(leaves[k:])
	for i := range paths {
		paths[i] = append(paths[i], Beside{Digest: hex.EncodeToString(right)})
	}
	for i := range more {
		more[i] = append(more[i], Beside{Digest: hex.EncodeToString(left), Left: true})
	}
	return node(left, right), append(paths, more...)
}
