//! WebAssembly modules, byte by byte, for what no compiler makes.
#![allow(dead_code)]

fn leb(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

fn section(id: u8, items: &[Vec<u8>]) -> Vec<u8> {
    let mut body = leb(items.len() as u32);
    items.iter().for_each(|item| body.extend(item));
    [vec![id], leb(body.len() as u32), body].concat()
}

fn name(text: &str) -> Vec<u8> {
    [leb(text.len() as u32), text.as_bytes().to_vec()].concat()
}

/// What a module here is made of.
struct Made<'a> {
    import: (&'a str, &'a str),
    export: &'a str,
    code: &'a [u8],
    tables: Vec<u32>,
    pages: u32,
}

impl Made<'_> {
    /// One import of (i32), then one function of () that is exported.
    fn bytes(&self) -> Vec<u8> {
        let (place, call) = self.import;
        let body = [&[0][..], self.code, &[0x0b]].concat();
        let tables: Vec<Vec<u8>> =
            self.tables.iter().map(|size| [vec![0x70, 0], leb(*size)].concat()).collect();
        [
            b"\0asm\x01\0\0\0".to_vec(),
            section(1, &[vec![0x60, 1, 0x7f, 0], vec![0x60, 0, 0]]),
            section(2, &[[name(place), name(call), vec![0, 0]].concat()]),
            section(3, &[vec![1]]),
            if tables.is_empty() { Vec::new() } else { section(4, &tables) },
            section(5, &[[vec![0], leb(self.pages)].concat()]),
            section(7, &[[name(self.export), vec![0, 1]].concat(), [name("memory"), vec![2, 0]].concat()]),
            section(10, &[[leb(body.len() as u32), body].concat()]),
        ]
        .concat()
    }
}

fn made<'a>() -> Made<'a> {
    Made {
        import: ("wasi_snapshot_preview1", "proc_exit"),
        export: "_start",
        code: &[],
        tables: Vec::new(),
        pages: 1,
    }
}

/// Ends with a code.
pub fn exits(code: u32) -> Vec<u8> {
    // i32.const is signed: one more byte keeps it positive.
    let mut number = leb(code);
    if number.last().is_some_and(|last| last & 0x40 != 0) {
        let end = number.len() - 1;
        number[end] |= 0x80;
        number.push(0);
    }
    let code = [vec![0x41], number, vec![0x10, 0]].concat();
    Made { code: &code, ..made() }.bytes()
}

/// Has these instructions as its program. Function 0 is `proc_exit`, function 1 the program itself.
pub fn start_of(code: &[u8]) -> Vec<u8> {
    Made { code, ..made() }.bytes()
}

/// Declares so many tables of so many elements.
pub fn with_tables(count: usize, elements: u32) -> Vec<u8> {
    Made { tables: vec![elements; count], ..made() }.bytes()
}

/// Declares so many pages of 64 KiB.
pub fn with_memory(pages: u32) -> Vec<u8> {
    Made { pages, ..made() }.bytes()
}

/// Asks for a call.
pub fn importing(place: &str, call: &str) -> Vec<u8> {
    Made { import: (place, call), ..made() }.bytes()
}

/// Exports something, but no program.
pub fn library() -> Vec<u8> {
    Made { export: "answer", ..made() }.bytes()
}

/// Calls one of WASI with the same number for each argument (`i` of 32 bits, `l` of 64), and forgets what it says.
pub fn calling(call: &str, arguments: &str, number: u32) -> Vec<u8> {
    let mut ty = vec![0x60];
    ty.extend(leb(arguments.len() as u32));
    ty.extend(arguments.bytes().map(|letter| if letter == b'l' { 0x7e } else { 0x7f }));
    ty.extend([1, 0x7f]);
    let mut code = vec![0];
    for letter in arguments.bytes() {
        code.push(if letter == b'l' { 0x42 } else { 0x41 });
        code.extend(signed(if letter == b'l' { i64::from(number) } else { i64::from(number as i32) }));
    }
    code.extend([0x10, 0, 0x1a, 0x0b]);
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &[ty, vec![0x60, 0, 0]]),
        section(2, &[[name("wasi_snapshot_preview1"), name(call), vec![0, 0]].concat()]),
        section(3, &[vec![1]]),
        section(5, &[vec![0, 1]]),
        section(7, &[[name("_start"), vec![0, 1]].concat(), [name("memory"), vec![2, 0]].concat()]),
        section(10, &[[leb(code.len() as u32), code].concat()]),
    ]
    .concat()
}

fn signed(mut value: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if (value == 0 && byte & 0x40 == 0) || (value == -1 && byte & 0x40 != 0) {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}
