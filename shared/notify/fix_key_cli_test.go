package notify_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/guard"
)

// Each state of a key has a way back of its own, which is printed for an incident of the key and for the finding of its secret; to
// enable a key that is not disabled KMS refuses.
func TestEachStateOfAKeyHasItsOwnWayBack(t *testing.T) {
	made := func(s *shop, in map[string]any) string {
		return s.as(shopAdmin, frankfurt, "kms", "CreateKey", in)["KeyMetadata"].(map[string]any)["Arn"].(string)
	}
	for sentence, c := range map[string]struct {
		key, off func(*shop) string // off closes the key, and is the state that it is in then
		lines    []string           // operations that are printed
		say      string
	}{
		"its custom key store is disconnected": {
			func(s *shop) string {
				store := s.as(shopAdmin, frankfurt, "kms", "CreateCustomKeyStore", map[string]any{"CustomKeyStoreName": "hsm"})["CustomKeyStoreId"]
				s.as(shopAdmin, frankfurt, "kms", "ConnectCustomKeyStore", map[string]any{"CustomKeyStoreId": store})
				s.store = store.(string)
				return made(s, map[string]any{"Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": store})
			},
			func(s *shop) string {
				s.as(shopAdmin, frankfurt, "kms", "DisconnectCustomKeyStore", map[string]any{"CustomKeyStoreId": s.store})
				return "Unavailable"
			}, []string{"connect-custom-key-store"}, "",
		},
		"it waits for its replicas to be deleted": {
			func(s *shop) string {
				key := made(s, map[string]any{"MultiRegion": true})
				s.as(shopAdmin, frankfurt, "kms", "ReplicateKey", map[string]any{"KeyId": key, "ReplicaRegion": ireland})
				return key
			},
			func(s *shop) string {
				s.as(shopAdmin, frankfurt, "kms", "ScheduleKeyDeletion", map[string]any{"KeyId": s.keys["tried"]})
				return "PendingReplicaDeletion"
			}, []string{"cancel-key-deletion", "enable-key"}, "",
		},
		"it is pending deletion": {
			func(s *shop) string { return made(s, map[string]any{}) },
			func(s *shop) string {
				s.as(shopAdmin, frankfurt, "kms", "ScheduleKeyDeletion", map[string]any{"KeyId": s.keys["tried"]})
				return "PendingDeletion"
			}, []string{"cancel-key-deletion", "enable-key"}, "",
		},
		"its imported material is gone": {
			func(s *shop) string {
				key := made(s, map[string]any{"Origin": "EXTERNAL"})
				s.importInto(key)
				return key
			},
			func(s *shop) string {
				s.as(shopAdmin, frankfurt, "kms", "DeleteImportedKeyMaterial", map[string]any{"KeyId": s.keys["tried"]})
				return "PendingImport"
			}, nil, "import the same key material into it again (without an expiry date, or with a later one)",
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := newShop(t)
			s.keys["tried"] = c.key(s)
			secret := s.secret(s.keys["tried"], "none")
			s.wantOpen(secret, guard.SecretKeyUnapproved)
			want := c.off(s)
			found := s.describe(secret)
			if string(found.Key.State) != want {
				t.Fatalf("the key is %s, want %s", found.Key.State, want)
			}
			blast := guard.Blast(found.Key, []guard.Secret{found})
			incident := fixFor(guard.Notice{ID: "i", Kind: guard.NoticeIncident, Account: shopAccount, Region: frankfurt, Resource: found.Key.ARN, Blast: &blast}, nil)
			finding := s.printed(guard.SecretKeyUnusable, s.look(secret))
			for _, fix := range []string{strings.Join(incident.Lines, "\n"), strings.Join(finding.Lines, "\n")} {
				var printed []string
				for line := range strings.Lines(fix) {
					printed = append(printed, strings.Fields(line)[2])
				}
				if strings.Join(printed, " ") != strings.Join(c.lines, " ") {
					t.Errorf("printed %v, want %v", printed, c.lines)
				}
			}
			if !strings.Contains(incident.Then, c.say) || !strings.Contains(finding.Then, c.say) || found.Key.Mend() == "" {
				t.Errorf("said %q and %q", incident.Then, finding.Then)
			}
			if found.Key.State != guard.KeyDisabled {
				if _, err := s.aws.AsPrincipal(shopAccount, shopAdmin, frankfurt, "kms", "EnableKey", map[string]any{"KeyId": found.Key.ARN}); err == nil {
					t.Errorf("a key that is %s was enabled", found.Key.State)
				}
			}
			if len(c.lines) == 0 {
				s.importInto(s.keys["tried"])
			} else if out, err := s.paste(finding.Lines...); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			s.reads(secret)
			s.wantOpen(secret, guard.SecretKeyUnapproved)
		})
	}
}

// importInto imports the same material into a key, as its owner does by hand.
func (s *shop) importInto(key string) {
	s.Helper()
	given := s.as(shopAdmin, frankfurt, "kms", "GetParametersForImport", map[string]any{"KeyId": key, "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"})
	raw, err := base64.StdEncoding.DecodeString(given["PublicKey"].(string))
	if err != nil {
		s.Fatal(err)
	}
	public, err := x509.ParsePKIXPublicKey(raw)
	if err != nil {
		s.Fatal(err)
	}
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public.(*rsa.PublicKey), bytes.Repeat([]byte("k"), 32), nil)
	if err != nil {
		s.Fatal(err)
	}
	s.as(shopAdmin, frankfurt, "kms", "ImportKeyMaterial", map[string]any{"KeyId": key, "ImportToken": given["ImportToken"], "EncryptedKeyMaterial": base64.StdEncoding.EncodeToString(wrapped),
		"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"})
}
