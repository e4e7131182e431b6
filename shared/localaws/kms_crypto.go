package localaws

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

func kmsCryptoOperations() map[string]operation {
	return map[string]operation{
		"Encrypt":                         kmsEncrypt,
		"Decrypt":                         kmsDecrypt,
		"GenerateDataKey":                 generateDataKey,
		"GenerateDataKeyWithoutPlaintext": generateDataKey,
	}
}

type cryptoInput struct {
	KeyId             string            `json:",omitempty"`
	KeySpec           string            `json:",omitempty"`
	EncryptionContext map[string]string `json:",omitempty"`
	Plaintext         []byte            `json:",omitempty"`
	CiphertextBlob    []byte            `json:",omitempty"`
	NumberOfBytes     int               `json:",omitempty"`
}

// cryptoOutput is the answer of all cryptographic operations.
type cryptoOutput struct {
	KeyId               string
	CiphertextBlob      []byte `json:",omitempty"`
	Plaintext           []byte `json:",omitempty"`
	EncryptionAlgorithm string `json:",omitempty"`
}

// encryptionContext are the condition keys of an encryption context.
func encryptionContext(of map[string]string) map[string][]string {
	if len(of) == 0 {
		return nil
	}
	out := map[string][]string{"kms:EncryptionContextKeys": slices.Sorted(maps.Keys(of))}
	for name, value := range of {
		out["kms:EncryptionContext:"+name] = []string{value}
	}
	return out
}

// used notes a successful use of a key; the event id comes when the call is recorded.
func (c *call) used(k *kmsKey) {
	k.last = keyLastUsed{operation: c.Operation, requestID: c.RequestID, at: c.Now}
	c.recorded = func(eventID string) { k.last.eventID = eventID }
}

// cryptoKey finds the key of a cryptographic call, with the right to use it and in a state to be used.
func (c *call) cryptoKey(in cryptoInput) (*kmsKey, error) {
	c.encryptionContext = in.EncryptionContext
	k, err := c.key(in.KeyId, encryptionContext(in.EncryptionContext))
	if err != nil {
		return nil, err
	}
	if err := k.usable(); err != nil {
		return nil, err
	}
	if k.usage != "ENCRYPT_DECRYPT" || k.spec != "SYMMETRIC_DEFAULT" {
		return nil, &apiError{Code: "InvalidKeyUsageException", Message: k.arn + " key usage is " + k.usage + " which is not valid for " + c.Operation + "."}
	}
	c.used(k)
	return k, nil
}

func kmsEncrypt(c *call) (any, error) {
	var in cryptoInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if len(in.Plaintext) == 0 || len(in.Plaintext) > 4096 {
		return nil, &apiError{Code: "ValidationException", Message: "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length between 1 and 4096"}
	}
	k, err := c.cryptoKey(in)
	if err != nil {
		return nil, err
	}
	return cryptoOutput{KeyId: k.arn, CiphertextBlob: c.aws.seal(k, in.Plaintext, in.EncryptionContext), EncryptionAlgorithm: "SYMMETRIC_DEFAULT"}, nil
}

func generateDataKey(c *call) (any, error) {
	var in cryptoInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	size := in.NumberOfBytes
	switch {
	case in.KeySpec == "AES_256":
		size = 32
	case in.KeySpec == "AES_128":
		size = 16
	case size <= 0 || size > 1024:
		return nil, &apiError{Code: "ValidationException", Message: "Please specify either number of bytes or key spec."}
	}
	k, err := c.cryptoKey(in)
	if err != nil {
		return nil, err
	}
	plain := c.aws.bytes(size)
	out := cryptoOutput{KeyId: k.arn, CiphertextBlob: c.aws.seal(k, plain, in.EncryptionContext)}
	if c.Operation == "GenerateDataKey" {
		out.Plaintext = plain
	}
	return out, nil
}

func kmsDecrypt(c *call) (any, error) {
	var in cryptoInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	arn, _, ok := bytes.Cut(in.CiphertextBlob, []byte{0})
	if !ok {
		return nil, &apiError{Code: "InvalidCiphertextException"}
	}
	if in.KeyId != "" {
		if named, err := c.aws.findKey(c.location, in.KeyId); err != nil {
			return nil, err
		} else if named.arn != c.inThisRegion(string(arn)) {
			return nil, &apiError{Code: "IncorrectKeyException", Message: "The key ID in the request does not identify a CMK that can perform this operation."}
		}
	}
	in.KeyId = c.inThisRegion(string(arn))
	k, err := c.cryptoKey(in)
	if err != nil {
		return nil, err
	}
	plain, err := unseal(k, in.CiphertextBlob, in.EncryptionContext)
	if err != nil {
		return nil, &apiError{Code: "InvalidCiphertextException"}
	}
	return cryptoOutput{KeyId: k.arn, Plaintext: plain, EncryptionAlgorithm: "SYMMETRIC_DEFAULT"}, nil
}

// inThisRegion is the related key of a multi-Region key, which opens what any of them has sealed.
func (c *call) inThisRegion(arn string) string {
	id := nameOf(arn)
	if parts := strings.Split(arn, ":"); strings.HasPrefix(id, "mrk-") && len(parts) == 6 {
		return keyARN(location{parts[4], c.Region}, id)
	}
	return arn
}

const nonceSize = 12

// seal encrypts under a key: key ARN, a zero byte, nonce, AES-GCM with the encryption context as additional data.
func (a *AWS) seal(k *kmsKey, plain []byte, context map[string]string) []byte {
	nonce := a.bytes(nonceSize)
	out := append(append([]byte(k.arn), 0), nonce...)
	return k.gcm().Seal(out, nonce, plain, additional(context))
}

func unseal(k *kmsKey, blob []byte, context map[string]string) ([]byte, error) {
	_, rest, _ := bytes.Cut(blob, []byte{0})
	if len(rest) < nonceSize {
		return nil, fmt.Errorf("open ciphertext: %d bytes are too few", len(rest))
	}
	plain, err := k.gcm().Open(nil, rest[:nonceSize], rest[nonceSize:], additional(context))
	if err != nil {
		return nil, fmt.Errorf("open ciphertext: %w", err)
	}
	return plain, nil
}

func (k *kmsKey) gcm() cipher.AEAD {
	if k.aead != nil {
		return k.aead
	}
	block, err := aes.NewCipher(k.material)
	if err != nil {
		panic(err) // material has 32 bytes
	}
	if k.aead, err = cipher.NewGCM(block); err != nil {
		panic(err) // AES has the block size GCM wants
	}
	return k.aead
}

func additional(context map[string]string) []byte {
	body, _ := json.Marshal(context) // strings only; keys come sorted
	return body
}
