//! From a batch to the changes of one commit.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use runtime_types::{Area, EntryId, Stream, StreamKey};

use super::Committed;
use super::plan::{Fresh, Plan, Touched};
use super::publish::{Changes, When};
use super::puts::Numbers;
use crate::block::{BlockRow, Codec};
use crate::draft::{
    BLOCK_ROWS_MAX, BLOCK_TEXT_BYTES_MAX, CacheHint, Draft, DraftRows, draft, position, text_bytes,
};
use crate::forgotten;
use crate::index::{BlockInfo, Index};
use crate::month::month_of;
use crate::vault::Vault;
use crate::{Batch, CommitError, DOCUMENT_BYTES_MAX};

/// Fresh blocks of a stream's month are joined while they hold fewer rows than this together.
pub(super) const TAIL_ROWS_MAX: u32 = 512;
/// Fresh blocks up to this size are joined however many rows are added.
const TINY_ROWS_MAX: u32 = 64;

/// Fresh blocks are joined while they hold less text than this together, so that an entry of many kilobytes is not
/// written again with every other one of its month.
const TAIL_TEXT_BYTES_MAX: u64 = BLOCK_TEXT_BYTES_MAX as u64 / 4;

/// The changes of a batch; empty where all its puts are ignored or skipped.
pub(super) fn changes(
    vault: &Vault,
    index: &Index,
    batch: Batch,
    new_id: &mut dyn FnMut() -> EntryId,
    when: When,
) -> Result<(Option<Changes>, Committed), CommitError> {
    let mut documents = documents(index, batch.documents)?;
    let mut plan = Plan::new(vault, index, &batch.texts, new_id, batch.steps.len());
    for step in &batch.steps {
        plan.step(step)?;
    }
    let Plan { fresh, mut touched, mut tally, forgets, .. } = plan;
    for (name, content) in forgotten::documents(index, forgets) {
        documents.insert(name, Some(content));
    }
    tally.stored = fresh.iter().filter(|fresh| !fresh.dead).count() as u64;
    if tally.stored == 0 && touched.is_empty() && documents.is_empty() {
        return Ok((None, tally));
    }
    let mut changes = Changes { documents, ..Changes::default() };
    for group in groups(&fresh, &batch.texts) {
        let drafts = group.drafts(vault, index, &mut touched, &mut changes.removed, when)?;
        changes.drafts.extend(drafts);
    }
    for (number, touched) in touched {
        if touched.dead.len() == touched.info.body.rows {
            changes.removed.insert(number, touched.info);
        } else {
            changes.marked.push((touched.info, touched.dead, touched.invalid));
        }
    }
    Ok((Some(changes), tally))
}

/// The last step on each document; deleting a missing document is left out.
fn documents(
    index: &Index,
    steps: Vec<(String, Option<Vec<u8>>)>,
) -> Result<BTreeMap<String, Option<Vec<u8>>>, CommitError> {
    let mut documents = BTreeMap::new();
    for (name, content) in steps {
        let size = content.as_ref().map_or(0, Vec::len);
        if size > DOCUMENT_BYTES_MAX {
            let (size_bytes, limit_bytes) = (size as u64, DOCUMENT_BYTES_MAX as u64);
            return Err(CommitError::DocumentTooLarge { size_bytes, limit_bytes });
        }
        documents.insert(name, content);
    }
    documents.retain(|name, content| content.is_some() || index.documents.contains_key(name));
    Ok(documents)
}

/// New rows of one stream and month.
struct Group<'a> {
    stream: Arc<Stream>,
    month: i32,
    rows: DraftRows<'a>,
}

fn groups<'a>(fresh: &'a [Fresh<'_>], texts: &'a str) -> Vec<Group<'a>> {
    let count = fresh.len();
    let mut numbers: Numbers<(i32, Area, &StreamKey)> = Numbers::default();
    let mut groups: Vec<Group<'a>> = Vec::new();
    for fresh in fresh.iter().filter(|fresh| !fresh.dead) {
        let times = fresh.row.times;
        let month = month_of(position(&times));
        let group = (month, fresh.area, &fresh.row.key);
        let number = numbers.get(group).unwrap_or_else(|| {
            let stream = Arc::new(Stream { area: fresh.area, key: fresh.row.key.clone() });
            // Often the first stream has most of the rows.
            let room = if groups.is_empty() { count.min(BLOCK_ROWS_MAX) } else { 0 };
            groups.push(Group { stream, month, rows: DraftRows::with_capacity(room) });
            numbers.add(group)
        });
        let row = BlockRow {
            id: fresh.id,
            origin: fresh.origin,
            times,
            metadata: fresh.row.metadata(texts),
            data: fresh.row.data(texts),
            extra: fresh.row.extra(texts),
        };
        groups[number].rows.push(row, fresh.invalid);
    }
    groups
}

impl Group<'_> {
    /// Encodes the rows, together with the fresh blocks that they are joined with; these blocks are removed.
    fn drafts(
        self,
        vault: &Vault,
        index: &Index,
        touched: &mut HashMap<u64, Touched>,
        removed: &mut HashMap<u64, Arc<BlockInfo>>,
        when: When,
    ) -> Result<Vec<Draft>, CommitError> {
        let tails = self.tails(index, touched);
        let mut blocks = Vec::with_capacity(tails.len());
        for (tail, _) in &tails {
            blocks.push(vault.block(&tail.body)?);
        }
        let mut rows = self.rows;
        for ((tail, _), block) in tails.iter().zip(&blocks) {
            let touched = touched.remove(&tail.body.number);
            let (dead, invalid) = touched
                .as_ref()
                .map_or((&tail.dead, &tail.invalid), |touched| (&touched.dead, &touched.invalid));
            rows.extend(block, dead, invalid);
            removed.insert(tail.body.number, Arc::clone(tail));
        }
        // A waiting block is soon read again by the same run.
        let cache = if when == When::Later { CacheHint::Keep } else { CacheHint::Drop };
        draft(&self.stream, self.month, Codec::Rows, rows, cache)
    }

    /// The fresh blocks to join with, the newest first, and how many live rows each has. A block that is much larger
    /// than what is added stays, so that an entry is rewritten a few times and not hundreds.
    fn tails(&self, index: &Index, touched: &HashMap<u64, Touched>) -> Vec<(Arc<BlockInfo>, u32)> {
        let Some(stream) = index.streams.get(&*self.stream) else { return Vec::new() };
        let live = |info: &Arc<BlockInfo>| {
            let dead = touched.get(&info.body.number).map_or(info.dead.len(), |touched| touched.dead.len());
            info.body.rows - dead
        };
        let fresh = |info: &&Arc<BlockInfo>| info.body.codec == Codec::Rows;
        let mut tails: Vec<_> = stream
            .of_month(self.month)
            .iter()
            .filter(fresh)
            .map(|info| (Arc::clone(info), live(info)))
            .collect();
        tails.retain(|(_, live)| (1..TAIL_ROWS_MAX).contains(live));
        tails.sort_by_key(|(info, _)| std::cmp::Reverse(info.body.number));
        let mut together = self.rows.rows.len() as u32;
        let mut text_bytes: u64 = self.rows.rows.iter().map(|row| text_bytes(row) as u64).sum();
        tails.retain(|(info, live)| {
            let all_text = text_bytes + u64::from(info.body.text_bytes);
            let join = together + live < TAIL_ROWS_MAX
                && all_text < TAIL_TEXT_BYTES_MAX
                && (*live <= TINY_ROWS_MAX || *live <= 4 * together);
            if join {
                together += live;
                text_bytes = all_text;
            }
            join
        });
        tails
    }
}
