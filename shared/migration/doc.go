// Package migration takes a secret from the AWS managed key to sealed step by step, and back, without breaking a
// reader: who would lose access is known before, watched afterwards, and every step has a recorded way back.
//
// It decides on what it is handed and acts only through the small interfaces of Engine; it knows no SDK, reads no
// secret value and keeps nothing but what the store keeps.
package migration
