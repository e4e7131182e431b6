package notify

// Digest makes the one message of a digest. Whoever made the digest grouped what is open by the same directory, so all
// of it is the same owner's.
func Digest(item Item, d Directory, keyFor KeyFor) Message {
	m := Message{Route: item.Notice.Name, Digest: true, Note: item.Notice.Detail}
	items := make([]Item, 0, len(item.Notice.Open))
	for _, n := range item.Notice.Open {
		items = append(items, Item{Notice: n, Repeat: item.Repeat})
	}
	for _, part := range Compose(items, d, keyFor) {
		m.Stories = append(m.Stories, part.Stories...)
	}
	return m
}
