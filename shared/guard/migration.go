package guard

// Kinds of notices of a migration.
const (
	NoticeSealDue    NoticeKind = "seal_due"    // the owner has to write a new version
	NoticeRolledBack NoticeKind = "rolled_back" // a secret is under its previous key again
	NoticeReaderLost NoticeKind = "reader_lost" // a principal that read the secret before is refused by the new key
)
