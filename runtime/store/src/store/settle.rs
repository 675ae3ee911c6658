//! Rewriting blocks in their final form: as columns, without dead rows.

use std::sync::Arc;

use super::SettleReport;
use super::commit::TAIL_ROWS_MAX;
use super::publish::Changes;
use crate::CommitError;
use crate::block::Codec;
use crate::draft::{BLOCK_TEXT_BYTES_MAX, CacheHint, DraftRows, draft};
use crate::index::{BlockInfo, Index, StreamBlocks};
use crate::vault::Vault;

/// About how many rows one call rewrites: a few tens of milliseconds during which other commits wait.
const SETTLE_ROWS_MAX: u32 = 8192;
/// The same limit for bytes of text.
const SETTLE_TEXT_BYTES_MAX: u64 = 8 * BLOCK_TEXT_BYTES_MAX as u64;
/// Settled blocks with fewer live rows than this are joined with later blocks of their month.
const SMALL_ROWS_MAX: u32 = 256;

/// The blocks of one stream and month that are rewritten together.
struct Group {
    blocks: Vec<Arc<BlockInfo>>,
}

/// How many dead rows a block may keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// As many as its live ones.
    AsManyAsLive,
    /// None.
    None,
}

/// The blocks to rewrite, up to the bounds of a call.
pub(super) fn changes(
    vault: &Vault,
    index: &Index,
    keep: Keep,
) -> Result<(Option<Changes>, SettleReport), CommitError> {
    let mut report = SettleReport::default();
    let mut changes = Changes::default();
    let mut text_bytes = 0;
    for group in index.streams.values().flat_map(|stream| groups(stream, keep)) {
        let moves = |part: &Group| part.blocks.iter().any(|info| is_fresh(info) || is_worn(info, keep));
        for part in parts(group).into_iter().filter(moves) {
            let rows: u32 = part.blocks.iter().map(|info| info.live()).sum();
            let bytes: u64 = part.blocks.iter().map(|info| u64::from(info.body.text_bytes)).sum();
            let full = report.rows + u64::from(rows) > u64::from(SETTLE_ROWS_MAX)
                || text_bytes + bytes > SETTLE_TEXT_BYTES_MAX;
            if report.rows > 0 && full {
                report.more = true;
                return Ok((Some(changes), report));
            }
            report.rows += u64::from(rows);
            text_bytes += bytes;
            rewrite(vault, part, &mut changes, &mut report)?;
        }
    }
    Ok(((!changes.removed.is_empty()).then_some(changes), report))
}

/// Cuts a group where it is too large for one call. Neighbours stay together.
fn parts(group: Group) -> Vec<Group> {
    let mut parts: Vec<Group> = Vec::new();
    let (mut rows, mut bytes) = (0, 0);
    for info in group.blocks {
        let (more_rows, more_bytes) = (info.live(), u64::from(info.body.text_bytes));
        let full = rows + more_rows > SETTLE_ROWS_MAX || bytes + more_bytes > SETTLE_TEXT_BYTES_MAX;
        match parts.last_mut() {
            Some(part) if !full => {
                (rows, bytes) = (rows + more_rows, bytes + more_bytes);
                part.blocks.push(info);
            }
            _ => {
                (rows, bytes) = (more_rows, more_bytes);
                parts.push(Group { blocks: vec![info] });
            }
        }
    }
    parts
}

fn rewrite(
    vault: &Vault,
    group: Group,
    changes: &mut Changes,
    report: &mut SettleReport,
) -> Result<(), CommitError> {
    let mut blocks = Vec::with_capacity(group.blocks.len());
    for info in &group.blocks {
        blocks.push(vault.block(&info.body)?);
    }
    let mut rows = DraftRows::default();
    for (info, block) in group.blocks.iter().zip(&blocks) {
        rows.extend(block, &info.dead, &info.invalid);
    }
    vault.note_codec(Codec::Columns);
    let first = &group.blocks[0].body;
    let drafts = draft(&first.stream, first.month, Codec::Columns, rows, CacheHint::Drop)?;
    report.blocks_before += group.blocks.len() as u64;
    report.blocks_after += drafts.len() as u64;
    changes.drafts.extend(drafts);
    changes.removed.extend(group.blocks.iter().map(|info| (info.body.number, Arc::clone(info))));
    Ok(())
}

fn is_fresh(info: &BlockInfo) -> bool {
    info.body.codec == Codec::Rows
}

fn is_worn(info: &BlockInfo, keep: Keep) -> bool {
    match keep {
        Keep::AsManyAsLive => info.dead.len() > info.live(),
        Keep::None => !info.dead.is_empty(),
    }
}

/// Small in both rows and bytes: blocks of few large rows are full.
fn is_small(info: &BlockInfo) -> bool {
    info.live() < SMALL_ROWS_MAX && info.body.text_bytes < BLOCK_TEXT_BYTES_MAX as u32 / 4
}

/// The groups of a stream that are due, by month.
fn groups(stream: &StreamBlocks, keep: Keep) -> Vec<Group> {
    let newest = stream.blocks.iter().map(|info| info.body.month).max();
    let by_month = stream.blocks.chunk_by(|a, b| a.body.month == b.body.month);
    by_month.filter_map(|blocks| due(blocks, Some(blocks[0].body.month) == newest, keep)).collect()
}

/// Which blocks of a month to rewrite, if any.
fn due(blocks: &[Arc<BlockInfo>], newest: bool, keep: Keep) -> Option<Group> {
    let fresh: u32 = blocks.iter().filter(|info| is_fresh(info)).map(|info| info.live()).sum();
    let full = fresh >= TAIL_ROWS_MAX;
    let past = fresh > 0 && !newest;
    let must = |info: &BlockInfo| is_worn(info, keep) || (is_fresh(info) && (full || past));
    // Small settled blocks are rewritten only together with a neighbour that must be rewritten: a call that rewrote
    // only them would find them again.
    let chosen = |at: usize| {
        let beside = || at.checked_sub(1).into_iter().chain([at + 1]).filter_map(|at| blocks.get(at));
        must(&blocks[at]) || (past && is_small(&blocks[at]) && beside().any(|info| must(info)))
    };
    let blocks: Vec<_> =
        (0..blocks.len()).filter(|at| chosen(*at)).map(|at| Arc::clone(&blocks[at])).collect();
    (!blocks.is_empty()).then_some(Group { blocks })
}
