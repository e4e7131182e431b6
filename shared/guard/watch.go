package guard

// Kinds of notices that no finding stands behind.
const (
	NoticeDeniedRead NoticeKind = "read_denied" // somebody tried to read a secret, or decrypt with its key, and was refused
	NoticeTampered   NoticeKind = "tampered"    // what the guard stands on was touched: trail, rule or organization policy

	// NoticeDigest reminds one owner of everything of theirs that is still open: Notice.Open.
	NoticeDigest NoticeKind = "digest"
)
