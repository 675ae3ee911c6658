//! From changes to one commit of the engine, and the resulting index.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use ring::digest::{Context, SHA256};
use runtime_types::Stream;

use crate::CommitError;
use crate::draft::Draft;
use crate::engine::{Key, Op};
use crate::index::{BlockChange, BlockInfo, Document, Index, StreamBlocks};
use crate::layout::{Body, Superblock, encode_descriptor, encode_document_name};
use crate::rows::RowSet;
use crate::vault::Vault;

/// Documents up to this size stay in memory: a newer content then needs no read of the old one.
const SMALL_DOCUMENT_BYTES_MAX: usize = 4 << 10;

/// The changes of one commit.
#[derive(Default)]
pub(super) struct Changes {
    pub drafts: Vec<Draft>,
    /// Blocks that are removed, by number.
    pub removed: HashMap<u64, Arc<BlockInfo>>,
    /// Blocks with their new dead and invalid rows.
    pub marked: Vec<(Arc<BlockInfo>, RowSet, RowSet)>,
    /// New contents; `None`: the document is removed.
    pub documents: BTreeMap<String, Option<Vec<u8>>>,
}

/// When a commit reaches the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Before the call returns, with every waiting commit.
    Now,
    /// Together with the next commit that does.
    Later,
}

/// The only writer's state besides the index.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub superblock: Superblock,
    /// Blocks without a descriptor, still in the engine for older snapshots.
    pub graveyard: Vec<Arc<Body>>,
    /// Likewise, left by an earlier opening: no snapshot can be reading them.
    pub left_behind: Vec<u64>,
    /// The state on disk is neither the old one nor the new one.
    pub poisoned: bool,
    /// The keyring in use may not be the one on disk; both of them open everything on disk.
    pub keyring_waits: bool,
    /// Keys were destroyed, and the blocks that they sealed may still exist.
    pub shredding: bool,
    /// A commit that failed but may be on disk.
    pub in_doubt: Option<Attempt>,
}

/// The state once a commit is on disk.
#[derive(Debug)]
pub(super) struct Attempt {
    pub index: Arc<Index>,
    superblock: Superblock,
    /// Blocks that it deletes for good, and those that it moves to the graveyard.
    reaped: HashSet<u64>,
    buried: Vec<Arc<Body>>,
}

impl Attempt {
    /// Whether this attempt made that superblock: its head covers everything that a commit seals.
    pub fn made(&self, superblock: &Superblock) -> bool {
        is_same(&self.superblock, superblock)
    }
}

/// Whether two superblocks are of the same commit.
pub(super) fn is_same(one: &Superblock, other: &Superblock) -> bool {
    (one.commit, one.head) == (other.commit, other.head)
}

impl Writer {
    /// Whether the next commit has blocks to delete.
    pub fn has_reapable(&self) -> bool {
        !self.left_behind.is_empty() || self.graveyard.iter().any(|body| Arc::strong_count(body) == 1)
    }

    /// Adopts the state that a commit leaves; returns its index.
    pub fn adopt(&mut self, attempt: Attempt) -> Arc<Index> {
        self.superblock = attempt.superblock;
        self.graveyard.retain(|body| !attempt.reaped.contains(&body.number));
        self.graveyard.extend(attempt.buried);
        self.left_behind.clear();
        attempt.index
    }
}

/// One commit in preparation.
struct Making<'a> {
    vault: &'a Vault,
    ops: Vec<Op>,
    superblock: Superblock,
}

impl Making<'_> {
    /// Adds a digest to the state, or removes it: exclusive or is its own inverse.
    fn toggle(&mut self, digest: &[u8; 32]) {
        for (byte, other) in self.superblock.state.iter_mut().zip(digest) {
            *byte ^= other;
        }
    }

    /// Seals a value other than a block; returns its digest in the state.
    fn put_meta(&mut self, key: Key, plain: &[u8]) -> Result<[u8; 32], CommitError> {
        let (sealed, _) = self.vault.seal_meta(key, plain)?;
        let digest = self.vault.state_digest(key, &sealed);
        self.toggle(&digest);
        self.ops.push(Op::Put(key, sealed));
        Ok(digest)
    }

    fn put_descriptor(
        &mut self,
        body: Arc<Body>,
        dead: RowSet,
        invalid: RowSet,
    ) -> Result<Arc<BlockInfo>, CommitError> {
        let plain = encode_descriptor(&body, &dead, &invalid);
        let digest = self.put_meta(Key::descriptor(body.number), &plain)?;
        Ok(Arc::new(BlockInfo { body, dead, invalid, digest }))
    }

    fn put_block(&mut self, draft: Draft) -> Result<Arc<BlockInfo>, CommitError> {
        let number = self.superblock.next_block;
        self.superblock.next_block += 1;
        self.superblock.descriptors += 1;
        let keyring = self.vault.keyring();
        let month = keyring.current(&draft.stream, draft.month).expect("keys were made for every draft");
        let mut body = Body {
            number,
            stream: draft.stream,
            month: draft.month,
            key_number: month.number,
            codec: draft.codec,
            rows: draft.rows,
            bytes: 0,
            text_bytes: draft.text_bytes,
            seal: [0; 24],
            min_id: draft.min_id,
            max_id: draft.max_id,
            spans: draft.spans,
        };
        let key = Key::block(number);
        let (sealed, seal) = self.vault.seal_block(key, month, &body.context(), &draft.plain)?;
        body.seal = seal;
        body.bytes = sealed.len() as u32;
        self.ops.push(Op::Put(key, sealed));
        self.put_descriptor(Arc::new(body), RowSet::default(), draft.invalid)
    }

    fn remove_block(&mut self, info: &BlockInfo) {
        self.superblock.descriptors -= 1;
        self.toggle(&info.digest);
        self.ops.push(Op::Delete(Key::descriptor(info.body.number)));
    }

    fn put_document(&mut self, name: &str, content: Vec<u8>) -> Result<Arc<Document>, CommitError> {
        self.superblock.documents += 1;
        let name_digest = self.vault.name_digest(name);
        let key = Key::document(name_digest);
        let (sealed, seal) = self.vault.seal_meta(key, &content)?;
        self.ops.push(Op::Put(key, sealed));
        let digest = self.put_meta(Key::document_name(name_digest), &encode_document_name(name, &seal))?;
        let small = content.len() <= SMALL_DOCUMENT_BYTES_MAX;
        let content = if small { OnceLock::from(Arc::from(content)) } else { OnceLock::new() };
        Ok(Arc::new(Document { name_digest, seal, digest, content }))
    }

    fn remove_document(&mut self, document: &Document) {
        self.superblock.documents -= 1;
        self.toggle(&document.digest);
        self.ops.push(Op::Delete(Key::document(document.name_digest)));
        self.ops.push(Op::Delete(Key::document_name(document.name_digest)));
    }
}

/// Draws keys for the months of new blocks and puts the keyring on disk before anything that they seal.
fn ensure_keys(vault: &Vault, writer: &mut Writer, drafts: &[Draft], when: When) -> Result<(), CommitError> {
    let current = vault.keyring();
    if drafts.iter().any(|draft| current.current(&draft.stream, draft.month).is_none()) {
        let mut keyring = (*current).clone();
        for draft in drafts {
            keyring.ensure(&draft.stream, draft.month)?;
        }
        vault.use_keyring(keyring);
        writer.keyring_waits = true;
    }
    if when == When::Now && writer.keyring_waits {
        // After a failure it is unknown how much of it is on disk; it is saved again before anything is sealed on disk.
        vault.save_keyring()?;
        writer.keyring_waits = false;
    }
    Ok(())
}

/// Commits changes; returns the index after them.
pub(super) fn publish(
    vault: &Vault,
    writer: &mut Writer,
    index: &Index,
    changes: Changes,
    when: When,
) -> Result<Arc<Index>, CommitError> {
    ensure_keys(vault, writer, &changes.drafts, when)?;
    let mut making = Making { vault, ops: Vec::new(), superblock: writer.superblock.clone() };
    let mut next = Index {
        // All waiting batches belong to the one commit that puts them on disk.
        commit: writer.superblock.commit + 1,
        head: index.head,
        streams: index.streams.clone(),
        documents: index.documents.clone(),
    };
    let mut blocks = Vec::new();
    for info in changes.removed.values() {
        making.remove_block(info);
        blocks.push(BlockChange::Removed(Arc::clone(info)));
    }
    for (info, dead, invalid) in changes.marked {
        making.toggle(&info.digest);
        let marked = making.put_descriptor(Arc::clone(&info.body), dead, invalid)?;
        blocks.push(BlockChange::Marked(marked));
    }
    let mut decoded = Vec::new();
    for mut draft in changes.drafts {
        let soon_read = draft.decoded.take();
        let info = making.put_block(draft)?;
        decoded.extend(soon_read.map(|block| (info.body.number, block)));
        blocks.push(BlockChange::Added(info));
    }
    let buried = changes.removed.into_values().map(|info| Arc::clone(&info.body)).collect();
    renew_streams(&mut next, blocks);
    change_documents(&mut making, &mut next, changes.documents)?;
    let index = finish(making, writer, next, buried, when)?;
    // Not earlier: the number of a block that was not committed is given to another block.
    decoded.iter().for_each(|(number, block)| vault.cache.put(*number, block));
    Ok(index)
}

/// Renews the lists of the streams that changed.
fn renew_streams(next: &mut Index, blocks: Vec<BlockChange>) {
    let mut by_stream: BTreeMap<Arc<Stream>, Vec<BlockChange>> = BTreeMap::new();
    for change in blocks {
        by_stream.entry(Arc::clone(&change.info().body.stream)).or_default().push(change);
    }
    for (stream, changes) in by_stream {
        let after = match next.streams.get(&*stream) {
            Some(before) => before.after(changes),
            None => StreamBlocks::empty(Arc::clone(&stream)).after(changes),
        };
        if after.blocks.is_empty() {
            next.streams.remove(&*stream);
        } else {
            next.streams.insert((*stream).clone(), Arc::new(after));
        }
    }
}

fn change_documents(
    making: &mut Making<'_>,
    next: &mut Index,
    documents: BTreeMap<String, Option<Vec<u8>>>,
) -> Result<(), CommitError> {
    for (name, content) in documents {
        if let Some(old) = next.documents.remove(&name) {
            // Snapshots with the old document will not find its content in the engine any more.
            let kept = making.vault.document(&old)?;
            old.content.get_or_init(|| kept);
            making.remove_document(&old);
        }
        if let Some(content) = content {
            let document = making.put_document(&name, content)?;
            next.documents.insert(name, document);
        }
    }
    Ok(())
}

/// The head that a commit leaves, as it is stored in clear: whoever has no key can tell it.
pub(super) fn in_clear(superblock: &Superblock) -> Vec<u8> {
    [superblock.commit.to_le_bytes().as_slice(), &superblock.head].concat()
}

/// Deletes blocks that no snapshot reads any more; seals the superblock and commits, or adds everything to the waiting
/// steps. A failure leaves the writer as it was, with the attempt in doubt where it may have reached the disk.
fn finish(
    making: Making<'_>,
    writer: &mut Writer,
    mut next: Index,
    buried: Vec<Arc<Body>>,
    when: When,
) -> Result<Arc<Index>, CommitError> {
    // Every reader of a block holds its body; a count of one is the graveyard itself.
    let reapable = |body: &&Arc<Body>| Arc::strong_count(body) == 1;
    let reaped: HashSet<u64> = writer.graveyard.iter().filter(reapable).map(|body| body.number).collect();
    let Making { vault, mut ops, mut superblock } = making;
    let deleted = reaped.iter().chain(&writer.left_behind);
    ops.extend(deleted.map(|number| Op::Delete(Key::block(*number))));
    if when == When::Later {
        vault.engine.hold(ops);
        return Ok(writer.adopt(Attempt { index: Arc::new(next), superblock, reaped, buried }));
    }
    superblock.commit = next.commit;
    let kept = writer.graveyard.iter().filter(|body| !reaped.contains(&body.number)).chain(&buried);
    superblock.graveyard = kept.map(|body| body.number).collect();
    let mut hash = Context::new(&SHA256);
    hash.update(&next.head);
    hash.update(&superblock.commit.to_le_bytes());
    hash.update(&superblock.state);
    superblock.head.copy_from_slice(hash.finish().as_ref());
    next.head = superblock.head;
    let (sealed, _) = vault.seal_meta(Key::SUPERBLOCK, &superblock.encode())?;
    ops.push(Op::Put(Key::SUPERBLOCK, sealed));
    ops.push(Op::Put(Key::HEAD, in_clear(&superblock)));
    let attempt = Attempt { index: Arc::new(next), superblock, reaped, buried };
    match vault.engine.commit(ops) {
        Ok(()) => Ok(writer.adopt(attempt)),
        Err(error) => {
            writer.in_doubt = Some(attempt);
            Err(error.into())
        }
    }
}
