//! From words to nodes: operators by their binding powers (Pratt's method).

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::ancestry;
use super::ast::{Array, Call, Expr, Lambda, Node, Operator, Pairs, Path, Slot, SortTerm, Transform};
use super::lex::{Lexer, Token};
use super::pieces::{behind, bound, concatenated, leaf_of, marked_to_keep, sorted};
use crate::core::states::ExpressionError;

/// Nodes within each other: what is walked through later takes a piece of the stack for each.
pub(super) const MOST_LEVELS: usize = 120;

/// Binding powers, as JSONata has them.
mod power {
    pub(super) const ASSIGN: usize = 10;
    pub(super) const RANGE: usize = 20;
    pub(super) const CONDITION: usize = 20;
    pub(super) const OR: usize = 25;
    pub(super) const AND: usize = 30;
    pub(super) const COMPARE: usize = 40;
    pub(super) const ADD: usize = 50;
    pub(super) const MULTIPLY: usize = 60;
    pub(super) const GROUP: usize = 70;
    pub(super) const NEGATE: usize = 70;
    pub(super) const STEP: usize = 75;
    pub(super) const CALL: usize = 80;
}

/// Reads a whole expression.
pub(super) fn parse(text: &str) -> Result<Expr, ExpressionError> {
    let mut lexer = Lexer::new(text);
    let at = lexer.start()?;
    let next = lexer.next()?;
    let mut parser = Parser { lexer, next, at, level: 0, parents: 0 };
    if parser.next == Token::End {
        return Err(ExpressionError::Syntax("the expression is empty".to_owned()));
    }
    let mut expr = parser.expression(0)?;
    if parser.next != Token::End {
        return Err(parser.unexpected("the end of the expression"));
    }
    if parser.parents > 0 {
        ancestry::resolve(&mut expr)?;
    }
    Ok(expr)
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    next: Token,
    /// Where `next` begins.
    at: usize,
    level: usize,
    /// How many `%` there are so far.
    parents: usize,
}

type Parsed = Result<Expr, ExpressionError>;

impl Parser<'_> {
    fn advance(&mut self) -> Result<Token, ExpressionError> {
        let at = self.lexer.start()?;
        let token = std::mem::replace(&mut self.next, self.lexer.next()?);
        self.at = at;
        Ok(token)
    }

    fn is_next(&self, sign: &str) -> bool {
        matches!(&self.next, Token::Sign(next) if *next == sign)
    }

    fn eat(&mut self, sign: &str) -> Result<bool, ExpressionError> {
        let is_next = self.is_next(sign);
        if is_next {
            self.advance()?;
        }
        Ok(is_next)
    }

    fn expect(&mut self, sign: &str) -> Result<(), ExpressionError> {
        if self.eat(sign)? { Ok(()) } else { Err(self.unexpected(sign)) }
    }

    fn unexpected(&self, expected: &str) -> ExpressionError {
        let got = match &self.next {
            Token::Name(text) | Token::Quoted(text) => format!("{text:?}"),
            Token::Variable(name) => format!("${name}"),
            Token::Text(_) => "a text".to_owned(),
            Token::Number(number) => number.float().to_string(),
            Token::Regex(_) => "a regular expression".to_owned(),
            Token::Sign(sign) => format!("{sign:?}"),
            Token::End => "the end".to_owned(),
        };
        ExpressionError::Syntax(format!("expected {expected} at character {}, got {got}", self.lexer.column(self.at)))
    }

    fn refused(&self, what: &str) -> ExpressionError {
        ExpressionError::Syntax(format!("{what} at character {} is not evaluated here", self.lexer.column(self.at)))
    }

    fn expression(&mut self, power: usize) -> Parsed {
        self.level += 1;
        if self.level > MOST_LEVELS {
            return Err(too_deep());
        }
        let mut left = self.prefix()?;
        while power < self.power() {
            left = self.infix(left)?;
            if left.height > MOST_LEVELS {
                return Err(too_deep());
            }
        }
        self.level -= 1;
        Ok(left)
    }

    /// How strongly the next word binds what is before it.
    fn power(&self) -> usize {
        match &self.next {
            Token::Sign("[" | "(" | "@" | "#") => power::CALL,
            Token::Sign(".") => power::STEP,
            Token::Sign("{") => power::GROUP,
            Token::Sign("?") => power::CONDITION,
            Token::Sign(":=") => power::ASSIGN,
            Token::Sign("~>" | "^" | "?:" | "??") => power::COMPARE,
            _ => self.operator().map_or(0, |(_, power)| power),
        }
    }

    fn operator(&self) -> Option<(Operator, usize)> {
        Some(match &self.next {
            Token::Sign("+") => (Operator::Add, power::ADD),
            Token::Sign("-") => (Operator::Subtract, power::ADD),
            Token::Sign("&") => (Operator::Concatenate, power::ADD),
            Token::Sign("*") => (Operator::Multiply, power::MULTIPLY),
            Token::Sign("/") => (Operator::Divide, power::MULTIPLY),
            Token::Sign("%") => (Operator::Remainder, power::MULTIPLY),
            Token::Sign("=") => (Operator::Equal, power::COMPARE),
            Token::Sign("!=") => (Operator::NotEqual, power::COMPARE),
            Token::Sign("<") => (Operator::Less, power::COMPARE),
            Token::Sign("<=") => (Operator::LessOrEqual, power::COMPARE),
            Token::Sign(">") => (Operator::Greater, power::COMPARE),
            Token::Sign(">=") => (Operator::GreaterOrEqual, power::COMPARE),
            Token::Sign("..") => (Operator::Range, power::RANGE),
            Token::Name(name) => match &**name {
                "and" => (Operator::And, power::AND),
                "or" => (Operator::Or, power::OR),
                "in" => (Operator::In, power::COMPARE),
                _ => return None,
            },
            _ => return None,
        })
    }

    /// What may begin an expression.
    fn prefix(&mut self) -> Parsed {
        match &self.next {
            Token::Sign("-") => {
                self.advance()?;
                let of = self.expression(power::NEGATE)?;
                Ok(match of.node {
                    Node::Number(number) if of.filters.is_empty() => Expr::leaf(Node::Number(number.negative())),
                    _ => behind(of, Node::Negative),
                })
            }
            Token::Sign("(") => self.block(),
            Token::Sign("[") => self.array(),
            Token::Sign("{") => {
                let pairs = self.pairs()?;
                Ok(self::pairs(pairs))
            }
            Token::Sign("%") => {
                self.lexer.is_behind_value();
                self.advance()?;
                self.parents += 1;
                let label = RefCell::new(Rc::from(format!("%{}", self.parents)));
                Ok(Expr::leaf(Node::Parent(Rc::new(Slot { label, level: Cell::new(1) }))))
            }
            Token::Sign("|") => self.transform(),
            _ => {
                let expected = self.unexpected("a value");
                if matches!(self.next, Token::Sign("*" | "**")) {
                    self.lexer.is_behind_value();
                }
                let token = self.advance()?;
                leaf_of(token).ok_or(expected)
            }
        }
    }

    /// What stands behind `left`.
    fn infix(&mut self, left: Expr) -> Parsed {
        if let Some((operator, power)) = self.operator() {
            self.advance()?;
            let right = self.expression(power)?;
            let below = left.height.max(right.height);
            return Ok(Expr::new(Node::Binary(operator, Box::new(left), Box::new(right)), below));
        }
        match &self.next {
            Token::Sign(".") => {
                self.advance()?;
                let right = self.expression(power::STEP)?;
                concatenated(left, right)
            }
            Token::Sign("[") => self.filter(left),
            Token::Sign("(") => self.call(left),
            Token::Sign("{") => {
                if left.group.is_some() {
                    return Err(self.unexpected("one {…} behind a value"));
                }
                let group = self.pairs()?;
                let height = left.height.max(height(&group) + 1);
                Ok(Expr { group: Some(group), height, ..left })
            }
            Token::Sign("^") => {
                let terms = self.sort_terms()?;
                Ok(sorted(left, terms))
            }
            Token::Sign("?") => self.condition(left),
            Token::Sign(":=") => {
                let Expr { node: Node::Variable(name), filters, .. } = left else {
                    return Err(self.unexpected("a variable before :="));
                };
                if !filters.is_empty() {
                    return Err(self.unexpected("a variable without [ ] before :="));
                }
                self.advance()?;
                let value = self.expression(power::ASSIGN - 1)?;
                Ok(behind(value, |value| Node::Bind(name, value)))
            }
            Token::Sign("~>") => {
                self.advance()?;
                let right = self.expression(power::COMPARE)?;
                let (below, keep) = (left.height.max(right.height), left.keep || right.keep);
                Ok(Expr { keep, ..Expr::new(Node::Apply(Box::new(left), Box::new(right)), below) })
            }
            Token::Sign(sign @ ("@" | "#")) => {
                let is_focus = *sign == "@";
                self.advance()?;
                let unexpected = self.unexpected("a variable, such as $item");
                match self.advance()? {
                    Token::Variable(name) if !name.is_empty() && &*name != "$" => bound(left, name, is_focus),
                    _ => Err(unexpected),
                }
            }
            // JSONata 2.1; Step Functions has 2.0.6.
            _ => {
                Err(self.refused("one of ?: and ??, which are no operators of JSONata 2.0.6, that Step Functions has,"))
            }
        }
    }

    /// `|location|update, delete|`.
    fn transform(&mut self) -> Parsed {
        self.advance()?;
        let location = self.expression(0)?;
        self.expect("|")?;
        let update = self.expression(0)?;
        let delete = if self.eat(",")? { Some(self.expression(0)?) } else { None };
        self.expect("|")?;
        let below = location.height.max(update.height).max(delete.as_ref().map_or(0, |expr| expr.height));
        Ok(Expr::new(Node::Transform(Rc::new(Transform { location, update, delete })), below))
    }

    fn block(&mut self) -> Parsed {
        self.advance()?;
        let mut expressions = Vec::new();
        while !self.is_next(")") {
            expressions.push(self.expression(0)?);
            if !self.eat(";")? {
                break;
            }
        }
        self.expect(")")?;
        let below = highest(&expressions);
        Ok(Expr::new(Node::Block(expressions), below))
    }

    fn array(&mut self) -> Parsed {
        self.advance()?;
        let mut items = Vec::new();
        while !self.is_next("]") {
            items.push(self.expression(0)?);
            if !self.eat(",")? {
                break;
            }
        }
        self.expect("]")?;
        let below = highest(&items);
        Ok(Expr::new(Node::Array(Array { items, is_step: false }), below))
    }

    /// `{…}`.
    fn pairs(&mut self) -> Result<Pairs, ExpressionError> {
        self.advance()?;
        let mut pairs = Vec::new();
        while !self.is_next("}") {
            let name = self.expression(0)?;
            self.expect(":")?;
            pairs.push((name, self.expression(0)?));
            if !self.eat(",")? {
                break;
            }
        }
        self.expect("}")?;
        Ok(pairs)
    }

    fn filter(&mut self, left: Expr) -> Parsed {
        self.advance()?;
        if self.eat("]")? {
            return Ok(marked_to_keep(left));
        }
        let filter = self.expression(0)?;
        self.expect("]")?;
        let mut left = left;
        left.height = left.height.max(filter.height + 1);
        if left.group.is_some() {
            return Err(ExpressionError::Syntax("a filter [ ] goes before a group { }, not behind it".to_owned()));
        }
        match &mut left.node {
            Node::Path(Path { steps, .. }) => {
                if let Some(last) = steps.last_mut() {
                    last.filters.push(filter);
                }
            }
            _ => left.filters.push(filter),
        }
        Ok(left)
    }

    fn call(&mut self, left: Expr) -> Parsed {
        self.advance()?;
        if is_word_of_lambda(&left) {
            return self.lambda();
        }
        let (mut arguments, mut is_partial) = (Vec::new(), false);
        while !self.is_next(")") {
            if self.is_next("?") {
                self.advance()?;
                is_partial = true;
                arguments.push(Expr::leaf(Node::Placeholder));
            } else {
                arguments.push(self.expression(0)?);
            }
            if !self.eat(",")? {
                break;
            }
        }
        self.expect(")")?;
        let below = highest(&arguments).max(left.height);
        Ok(Expr::new(Node::Call(Box::new(Call { procedure: left, arguments, is_partial })), below))
    }

    /// `function($a, $b){ … }`, whose `function(` was read.
    fn lambda(&mut self) -> Parsed {
        let mut parameters = Vec::new();
        while !self.is_next(")") {
            let unexpected = self.unexpected("a parameter, such as $item");
            match self.advance()? {
                Token::Variable(name) if !name.is_empty() && &*name != "$" => parameters.push(name),
                _ => return Err(unexpected),
            }
            if !self.eat(",")? {
                break;
            }
        }
        self.expect(")")?;
        if self.is_next("<") {
            return Err(self.refused("the signature of a function"));
        }
        self.expect("{")?;
        let body = self.expression(0)?;
        self.expect("}")?;
        let below = body.height;
        Ok(Expr::new(Node::Lambda(Rc::new(Lambda { parameters, body })), below))
    }

    fn sort_terms(&mut self) -> Result<Vec<SortTerm>, ExpressionError> {
        self.advance()?;
        self.expect("(")?;
        let mut terms = Vec::new();
        loop {
            let descending = self.eat(">")?;
            if !descending {
                self.eat("<")?;
            }
            terms.push(SortTerm { by: self.expression(0)?, descending });
            if !self.eat(",")? {
                break;
            }
        }
        self.expect(")")?;
        Ok(terms)
    }

    fn condition(&mut self, condition: Expr) -> Parsed {
        self.advance()?;
        let then = self.expression(0)?;
        let otherwise = if self.eat(":")? { Some(Box::new(self.expression(0)?)) } else { None };
        let below = condition.height.max(then.height).max(otherwise.as_ref().map_or(0, |expr| expr.height));
        Ok(Expr::new(Node::Condition(Box::new([condition, then]), otherwise), below))
    }
}

fn too_deep() -> ExpressionError {
    ExpressionError::Syntax(format!("the expression has more than {MOST_LEVELS} levels within each other"))
}

fn highest(expressions: &[Expr]) -> usize {
    expressions.iter().map(|expr| expr.height).max().unwrap_or(0)
}

fn height(pairs: &Pairs) -> usize {
    pairs.iter().map(|(name, value)| name.height.max(value.height)).max().unwrap_or(0)
}

fn pairs(pairs: Pairs) -> Expr {
    let below = height(&pairs);
    Expr::new(Node::Object(pairs), below)
}

/// `function` or `λ` before a parenthesis.
fn is_word_of_lambda(expr: &Expr) -> bool {
    let Node::Path(Path { steps, .. }) = &expr.node else { return false };
    matches!(steps.as_slice(), [Expr { node: Node::Name(name), .. }] if matches!(&**name, "function" | "λ"))
}
