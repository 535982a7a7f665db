//! Which clauses can narrow a request: `column op expression`, and nothing that could lose a row.

use pgrx::pg_sys;

use super::plan_data::Comparison;
use super::relation::{Attribute, Relation};
use crate::catalog::column::Type;
use crate::scan::condition::Op;
use crate::scan::plan::pushes;

/// A clause that can be pushed.
#[derive(Debug, Clone)]
pub struct Matched {
    /// Number of the declared column.
    pub attribute: i16,
    /// Comparison, the column on the left.
    pub comparison: Comparison,
    /// Right-hand sides, scalars or arrays; none for booleans.
    pub expressions: Vec<*mut pg_sys::Expr>,
}

/// Objects below this oid come with PostgreSQL itself, so that an operator's name tells its meaning.
const FIRST_NORMAL_OID: u32 = 16384;

/// Matches a clause of the relation `relid`.
///
/// # Safety
/// `root` and `clause` are the planner's own.
pub unsafe fn matched(
    root: *mut pg_sys::PlannerInfo,
    relid: pg_sys::Index,
    relation: &Relation,
    clause: *mut pg_sys::Expr,
) -> Option<Matched> {
    // SAFETY: node tags say which struct a node is; every cast follows its tag.
    unsafe {
        let clause = strip(clause);
        match (*clause).type_ {
            pg_sys::NodeTag::T_OpExpr => operator(root, relid, relation, clause.cast()),
            pg_sys::NodeTag::T_ScalarArrayOpExpr => any(root, relid, relation, clause.cast()),
            pg_sys::NodeTag::T_Var => boolean(relation, variable(relid, clause)?, Comparison::True),
            pg_sys::NodeTag::T_BoolExpr => {
                let expr = clause.cast::<pg_sys::BoolExpr>();
                match (*expr).boolop {
                    pg_sys::BoolExprType::OR_EXPR => {
                        return either(root, relid, relation, (*expr).args);
                    }
                    pg_sys::BoolExprType::NOT_EXPR => {}
                    _ => return None,
                }
                let argument = strip(pg_sys::list_nth((*expr).args, 0).cast());
                boolean(relation, variable(relid, argument)?, Comparison::False)
            }
            pg_sys::NodeTag::T_BooleanTest => {
                let test = clause.cast::<pg_sys::BooleanTest>();
                let comparison = match (*test).booltesttype {
                    pg_sys::BoolTestType::IS_TRUE => Comparison::True,
                    pg_sys::BoolTestType::IS_FALSE => Comparison::False,
                    _ => return None,
                };
                boolean(relation, variable(relid, strip((*test).arg))?, comparison)
            }
            pg_sys::NodeTag::T_NullTest => {
                let test = clause.cast::<pg_sys::NullTest>();
                if (*test).nulltesttype != pg_sys::NullTestType::IS_NOT_NULL {
                    return None;
                }
                not_null(relation, variable(relid, strip((*test).arg))?)
            }
            _ => None,
        }
    }
}

/// The column is not NULL.
fn not_null(relation: &Relation, attribute: i16) -> Option<Matched> {
    let attribute = relation.attribute(attribute)?;
    let comparison = Comparison::NotNull;
    pushes(attribute.column?, &super::datum::op(comparison)).then_some(Matched {
        attribute: attribute.number,
        comparison,
        expressions: Vec::new(),
    })
}

fn boolean(relation: &Relation, attribute: i16, comparison: Comparison) -> Option<Matched> {
    let attribute = relation.attribute(attribute)?;
    let matches = attribute.column?.ty == Type::Boolean
        && attribute.type_oid == pg_sys::BOOLOID
        && pushes(attribute.column?, &Op::Equal);
    matches.then_some(Matched { attribute: attribute.number, comparison, expressions: Vec::new() })
}

unsafe fn operator(
    root: *mut pg_sys::PlannerInfo,
    relid: pg_sys::Index,
    relation: &Relation,
    clause: *mut pg_sys::OpExpr,
) -> Option<Matched> {
    // SAFETY: an OpExpr with two arguments is a binary operator.
    unsafe {
        if pg_sys::list_length((*clause).args) != 2 {
            return None;
        }
        let left = pg_sys::list_nth((*clause).args, 0).cast::<pg_sys::Expr>();
        let right = pg_sys::list_nth((*clause).args, 1).cast::<pg_sys::Expr>();
        let (number, expression, operator) = match variable(relid, strip(left)) {
            Some(number) => (number, right, (*clause).opno),
            None => {
                let number = variable(relid, strip(right))?;
                (number, left, pg_sys::get_commutator((*clause).opno))
            }
        };
        let comparison = comparison(operator)?;
        let other = pg_sys::exprType(strip(expression).cast());
        let attribute = pushable(relation, number, comparison, (*clause).inputcollid, other)?;
        evaluable(root, relid, expression).then(|| Matched {
            attribute,
            comparison,
            expressions: vec![expression],
        })
    }
}

unsafe fn any(
    root: *mut pg_sys::PlannerInfo,
    relid: pg_sys::Index,
    relation: &Relation,
    clause: *mut pg_sys::ScalarArrayOpExpr,
) -> Option<Matched> {
    // SAFETY: a ScalarArrayOpExpr has two arguments, the second an array.
    unsafe {
        let comparison = comparison((*clause).opno)?;
        let in_list = (*clause).useOr && comparison == Comparison::Equal;
        let not_in_list = !(*clause).useOr && comparison == Comparison::NotEqual;
        if !in_list && !not_in_list {
            return None;
        }
        let left = pg_sys::list_nth((*clause).args, 0).cast::<pg_sys::Expr>();
        let expression = pg_sys::list_nth((*clause).args, 1).cast::<pg_sys::Expr>();
        let number = variable(relid, strip(left))?;
        let element = pg_sys::get_element_type(pg_sys::exprType(strip(expression).cast()));
        let attribute = pushable(relation, number, comparison, (*clause).inputcollid, element)?;
        evaluable(root, relid, expression).then(|| Matched {
            attribute,
            comparison,
            expressions: vec![expression],
        })
    }
}

/// The number of the column again, if a comparison with values of type `other` can be pushed.
unsafe fn pushable(
    relation: &Relation,
    number: i16,
    comparison: Comparison,
    collation: pg_sys::Oid,
    other: pg_sys::Oid,
) -> Option<i16> {
    let attribute = relation.attribute(number)?;
    // SAFETY: the collation is that of the planner's own clause.
    let sound = pushes(attribute.column?, &super::datum::op(comparison))
        && unsafe { is_deterministic(collation) }
        && compatible(attribute, other);
    sound.then_some(number)
}

/// `column = a OR column = b`, all of the same column: the same as `column IN (a, b)`.
unsafe fn either(
    root: *mut pg_sys::PlannerInfo,
    relid: pg_sys::Index,
    relation: &Relation,
    arms: *mut pg_sys::List,
) -> Option<Matched> {
    let mut merged: Option<Matched> = None;
    // SAFETY: the planner's own list of expressions.
    for index in 0..unsafe { pg_sys::list_length(arms) } {
        // SAFETY: as above.
        let arm = unsafe { matched(root, relid, relation, pg_sys::list_nth(arms, index).cast()) }?;
        if arm.comparison != Comparison::Equal {
            return None;
        }
        match &mut merged {
            Some(merged) if merged.attribute == arm.attribute => {
                merged.expressions.extend(arm.expressions);
            }
            Some(_) => return None,
            None => merged = Some(arm),
        }
    }
    merged
}

/// The comparison that a built-in operator makes, by its name.
unsafe fn comparison(operator: pg_sys::Oid) -> Option<Comparison> {
    if operator == pg_sys::InvalidOid || operator.to_u32() >= FIRST_NORMAL_OID {
        return None;
    }
    // SAFETY: a missing operator gives NULL; a name is palloc'd.
    let name = unsafe {
        let name = pg_sys::get_opname(operator);
        if name.is_null() {
            return None;
        }
        std::ffi::CStr::from_ptr(name).to_str().ok()?
    };
    Some(match name {
        "=" => Comparison::Equal,
        "<>" => Comparison::NotEqual,
        "<" => Comparison::Less,
        "<=" => Comparison::LessOrEqual,
        ">" => Comparison::Greater,
        ">=" => Comparison::GreaterOrEqual,
        "@>" | "?" | "?&" => Comparison::Contains,
        _ => return None,
    })
}

/// Whether values of this type can be compared with the column as the service compares them.
fn compatible(attribute: &Attribute, other: pg_sys::Oid) -> bool {
    let Some(column) = attribute.column else { return false };
    let whole = [pg_sys::INT2OID, pg_sys::INT4OID, pg_sys::INT8OID];
    let text = [pg_sys::TEXTOID, pg_sys::VARCHAROID];
    let own = attribute.type_oid;
    match column.ty {
        Type::Integer | Type::Bigint => whole.contains(&own) && whole.contains(&other),
        Type::Text => text.contains(&own) && text.contains(&other),
        Type::Uuid => own == pg_sys::UUIDOID && other == pg_sys::UUIDOID,
        Type::Boolean => own == pg_sys::BOOLOID && other == pg_sys::BOOLOID,
        Type::Timestamptz => {
            let times = [pg_sys::TIMESTAMPTZOID, pg_sys::TIMESTAMPOID, pg_sys::DATEOID];
            own == pg_sys::TIMESTAMPTZOID && times.contains(&other)
        }
        Type::Jsonb => {
            let json = [pg_sys::JSONBOID, pg_sys::TEXTOID, pg_sys::TEXTARRAYOID];
            own == pg_sys::JSONBOID && json.contains(&other)
        }
        Type::Double => false,
    }
}

/// Whether equal means equal bytes.
unsafe fn is_deterministic(collation: pg_sys::Oid) -> bool {
    // SAFETY: looks an existing collation up.
    collation == pg_sys::InvalidOid || unsafe { pg_sys::get_collation_isdeterministic(collation) }
}

/// Whether the executor can evaluate the expression once per scan.
unsafe fn evaluable(
    root: *mut pg_sys::PlannerInfo,
    relid: pg_sys::Index,
    expression: *mut pg_sys::Expr,
) -> bool {
    let node = expression.cast::<pg_sys::Node>();
    // SAFETY: walks the planner's own expression.
    unsafe {
        !references(root, relid, node)
            && !pg_sys::contain_volatile_functions(node)
            && !pg_sys::contain_subplans(node)
    }
}

#[cfg_attr(feature = "pg13", allow(unused_variables))]
unsafe fn references(
    root: *mut pg_sys::PlannerInfo,
    relid: pg_sys::Index,
    node: *mut pg_sys::Node,
) -> bool {
    // SAFETY: walks the planner's own expression.
    unsafe {
        #[cfg(feature = "pg13")]
        let relids = pg_sys::pull_varnos(node);
        #[cfg(not(feature = "pg13"))]
        let relids = pg_sys::pull_varnos(root, node);
        pg_sys::bms_is_member(relid as i32, relids)
    }
}

/// The number of the declared column, if the node is one of the relation.
unsafe fn variable(relid: pg_sys::Index, node: *mut pg_sys::Expr) -> Option<i16> {
    // SAFETY: the cast follows the tag.
    unsafe {
        if (*node).type_ != pg_sys::NodeTag::T_Var {
            return None;
        }
        let var = node.cast::<pg_sys::Var>();
        let own = (*var).varno as pg_sys::Index == relid && (*var).varlevelsup == 0;
        (own && (*var).varattno > 0).then_some((*var).varattno)
    }
}

/// The expression without casts that change no bits.
///
/// # Safety
/// `node` is the planner's own.
pub unsafe fn strip(mut node: *mut pg_sys::Expr) -> *mut pg_sys::Expr {
    // SAFETY: the cast follows the tag; a RelabelType has an argument.
    unsafe {
        while (*node).type_ == pg_sys::NodeTag::T_RelabelType {
            node = (*node.cast::<pg_sys::RelabelType>()).arg;
        }
    }
    node
}

/// The number of the relation's column that an expression is, casts that change no bits aside.
///
/// # Safety
/// `expression` is the planner's own.
pub unsafe fn column_number(relid: pg_sys::Index, expression: *mut pg_sys::Expr) -> Option<i16> {
    // SAFETY: the caller's promise.
    unsafe { variable(relid, strip(expression)) }
}
