package kms

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"time"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

const (
	originExternal   = "EXTERNAL"
	materialExpires  = "KEY_MATERIAL_EXPIRES"
	materialStays    = "DOES_NOT_EXPIRE"
	materialBytes    = 32             // of a symmetric key
	longestMaterial  = 365            // days until it must expire, where it does
	importParameters = 24 * time.Hour // how long a wrapping key and its token are good
)

// material is what was imported into a key of the origin EXTERNAL.
type material struct {
	digest   [sha256.Size]byte // of what was imported first: nothing else may be imported later
	imported bool              // any was, ever
	gone     bool              // it was deleted, or expired
	model    string            // materialExpires or materialStays
	validTo  time.Time         // zero unless it expires
	wrapping *rsa.PrivateKey   // of the last GetParametersForImport
	token    string
	until    time.Time // when token and wrapping key are worth nothing any more
}

func importOperations() map[string]core.Operation {
	return map[string]core.Operation{
		"GetParametersForImport":    getParametersForImport,
		"ImportKeyMaterial":         importKeyMaterial,
		"DeleteImportedKeyMaterial": deleteImportedKeyMaterial,
	}
}

// wrappingSizes are the wrapping keys that KMS offers, in bits.
var wrappingSizes = map[string]int{"RSA_2048": 2048, "RSA_3072": 3072, "RSA_4096": 4096}

// externalKey is the key of a call about imported material.
func externalKey(c *core.Call, id string, context map[string][]string) (*Key, error) {
	k, err := ownKey(c, id, context)
	if err != nil {
		return nil, err
	}
	if k.origin != originExternal {
		return nil, &core.Error{Code: "UnsupportedOperationException", Message: k.ARN + " origin is " + k.origin + " which is not valid for this operation."}
	}
	return k, k.notPendingDeletion()
}

func getParametersForImport(c *core.Call) (any, error) {
	var in struct{ KeyId, WrappingAlgorithm, WrappingKeySpec string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	k, err := externalKey(c, in.KeyId, map[string][]string{"kms:WrappingAlgorithm": {in.WrappingAlgorithm}, "kms:WrappingKeySpec": {in.WrappingKeySpec}})
	if err != nil {
		return nil, err
	}
	bits, known := wrappingSizes[in.WrappingKeySpec]
	if !known || in.WrappingAlgorithm != "RSAES_OAEP_SHA_256" {
		return nil, &core.Error{Code: "ValidationException", Message: "This AWS unwraps RSAES_OAEP_SHA_256 under an RSA key only."}
	}
	wrapping, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, &core.Error{Code: "KMSInternalException", Message: err.Error(), Status: 500}
	}
	public, err := x509.MarshalPKIXPublicKey(&wrapping.PublicKey)
	if err != nil {
		return nil, &core.Error{Code: "KMSInternalException", Message: err.Error(), Status: 500}
	}
	k.external.wrapping, k.external.token, k.external.until = wrapping, c.AWS.UUID(), c.Now.Add(importParameters)
	return core.Reply{"KeyId": k.ARN, "ImportToken": []byte(k.external.token), "PublicKey": public, "ParametersValidTo": core.Epoch(k.external.until)}, nil
}

type importInput struct {
	KeyId                             string
	ImportToken, EncryptedKeyMaterial []byte
	ExpirationModel                   string
	ValidTo                           float64 // seconds since 1970
}

func importKeyMaterial(c *core.Call) (any, error) {
	var in importInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if in.ExpirationModel == "" {
		in.ExpirationModel = materialExpires
	}
	validTo := time.UnixMilli(int64(in.ValidTo * 1000)).UTC()
	k, err := externalKey(c, in.KeyId, map[string][]string{"kms:ExpirationModel": {in.ExpirationModel}, "kms:ValidTo": {core.ISO(validTo)}})
	if err != nil {
		return nil, err
	}
	expires := in.ExpirationModel == materialExpires
	switch latest := c.Now.AddDate(0, 0, longestMaterial); {
	case expires == (in.ValidTo == 0), expires && (!validTo.After(c.Now) || validTo.After(latest)):
		return nil, &core.Error{Code: "ValidationException", Message: "The ValidTo parameter must be a time within the next 365 days, and is for an ExpirationModel of KEY_MATERIAL_EXPIRES alone."}
	}
	plain, err := k.external.unwrap(c.Now, in)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(plain)
	if k.external.imported && k.external.digest != digest {
		return nil, &core.Error{Code: "IncorrectKeyMaterialException", Message: "The key material in the request is not that which was imported into " + k.ARN + " before."}
	}
	k.material, k.aead = plain, nil
	k.external = material{digest: digest, imported: true, model: in.ExpirationModel}
	if expires {
		k.external.validTo = validTo
	}
	if k.state == keyPendingImport {
		k.state = keyEnabled
	}
	return core.Reply{"KeyId": k.ARN}, nil
}

// unwrap decrypts what is imported with the private half of the wrapping key that was given out last.
func (m material) unwrap(now time.Time, in importInput) ([]byte, error) {
	switch {
	case m.wrapping == nil || string(in.ImportToken) != m.token:
		return nil, &core.Error{Code: "InvalidImportTokenException", Message: "The import token is not that of the key."}
	case now.After(m.until):
		return nil, &core.Error{Code: "ExpiredImportTokenException", Message: "The import token has expired."}
	}
	plain, err := rsa.DecryptOAEP(sha256.New(), nil, m.wrapping, in.EncryptedKeyMaterial, nil)
	if err != nil {
		return nil, &core.Error{Code: "InvalidCiphertextException"}
	}
	if len(plain) != materialBytes {
		return nil, &core.Error{Code: "IncorrectKeyMaterialException", Message: "A symmetric key has 256 bits."}
	}
	return plain, nil
}

func deleteImportedKeyMaterial(c *core.Call) (any, error) {
	var in keyInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	k, err := externalKey(c, in.KeyId, nil)
	if err != nil {
		return nil, err
	}
	k.dropMaterial()
	return core.Reply{"KeyId": k.ARN}, nil
}

// dropMaterial takes the imported material away. A key that waits for its deletion goes on waiting.
func (k *Key) dropMaterial() {
	k.external.gone, k.external.validTo = true, time.Time{}
	k.material, k.aead = nil, nil
	if k.notPendingDeletion() == nil {
		k.state = keyPendingImport
	}
}

// expire ends the time of imported material (KMS developer guide, "Delete imported key material").
func (k *Key) expire(a *core.AWS) {
	if k.external.validTo.IsZero() || a.Options.Now().Before(k.external.validTo) {
		return
	}
	k.dropMaterial()
	a.Happened(k.At, core.ServiceEvent{Source: "kms", Name: "DeleteExpiredKeyMaterial", Caller: "AWS Internal",
		Resources: []core.Resource{{ARN: k.ARN, Type: keyType, Account: k.At.Account}}})
}

// describe adds what DescribeKey says of imported material.
func (m material) describe(out core.Reply) {
	if m.model == "" || m.gone {
		return
	}
	out["ExpirationModel"] = m.model
	if !m.validTo.IsZero() {
		out["ValidTo"] = core.Epoch(m.validTo)
	}
}
