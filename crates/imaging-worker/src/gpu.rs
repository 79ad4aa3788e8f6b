//! The same picture by WebGL2: stored values as a texture of two bytes, the table of grey levels as another, one lookup a
//! pixel in the fragment shader. Core WebGL2 only, no extension; a window change sends 64 kB and no pixel.

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
};

use healthsync_imaging::{
    dicom::{Frame, Samples},
    render::{OVERLAY, Table},
};
use wasm_bindgen::JsCast;
use web_sys::{OffscreenCanvas, WebGl2RenderingContext as Gl, WebGlProgram, WebGlTexture};

use crate::frames::{Picture, Pixels};

const VERTEX: &str = "#version 300 es
void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  gl_Position = vec4(corner * 2.0 - 1.0, 0.0, 1.0);
}";

const GREY: &str = "#version 300 es
precision highp float;
precision highp int;
precision highp usampler2D;
uniform usampler2D values;
uniform usampler2D levels;
uniform usampler2D over;
uniform bool drawn;
uniform vec3 ink;
out vec4 colour;
void main() {
  ivec2 size = textureSize(values, 0);
  ivec2 at = ivec2(int(gl_FragCoord.x), size.y - 1 - int(gl_FragCoord.y));
  ivec2 value = ivec2(texelFetch(values, at, 0).rg);
  float level = float(texelFetch(levels, value, 0).r) / 255.0;
  bool inked = drawn && texelFetch(over, at, 0).r != 0u;
  colour = vec4(inked ? ink / 255.0 : vec3(level), 1.0);
}";

const COPY: &str = "#version 300 es
precision highp float;
uniform highp usampler2D values;
out vec4 colour;
void main() {
  ivec2 size = textureSize(values, 0);
  ivec2 at = ivec2(int(gl_FragCoord.x), size.y - 1 - int(gl_FragCoord.y));
  colour = vec4(texelFetch(values, at, 0)) / 255.0;
}";

#[derive(Debug)]
pub(crate) struct Gpu {
    gl: Gl,
    grey: WebGlProgram,
    copy: WebGlProgram,
    values: WebGlTexture,
    levels: WebGlTexture,
    over: WebGlTexture,
    most: u32,
    /// Which frame is in the texture. No other one gets its address as long as this is here.
    held: RefCell<Weak<Frame>>,
    /// What is sent, kept for the next time.
    bytes: RefCell<Vec<u8>>,
}

impl Gpu {
    /// `None` where there is no WebGL2.
    pub(crate) fn start(canvas: &OffscreenCanvas) -> Option<Self> {
        let gl: Gl = canvas.get_context("webgl2").ok()??.dyn_into().ok()?;
        let most = gl.get_parameter(Gl::MAX_TEXTURE_SIZE).ok()?.as_f64()? as u32;
        gl.pixel_storei(Gl::UNPACK_ALIGNMENT, 1);
        Some(Self {
            grey: program(&gl, GREY)?,
            copy: program(&gl, COPY)?,
            values: texture(&gl)?,
            levels: texture(&gl)?,
            over: texture(&gl)?,
            most,
            held: RefCell::default(),
            bytes: RefCell::default(),
            gl,
        })
    }

    /// Draws grey values through the table; says whether it could.
    pub(crate) fn paint(&self, picture: &Picture, table: &Table) -> bool {
        let [width, height] = picture.size;
        if width > self.most || height > self.most {
            return false;
        }
        let (other, held) = match &picture.pixels {
            Pixels::Cut(..) => (true, Weak::new()),
            Pixels::Frame(frame, _) => {
                let held = Rc::downgrade(frame);
                (!self.held.borrow().ptr_eq(&held), held)
            }
        };
        let mut bytes = self.bytes.borrow_mut();
        if other && !patterns(&picture.pixels, &mut bytes) {
            return false;
        }
        let gl = &self.gl;
        gl.active_texture(Gl::TEXTURE0);
        gl.bind_texture(Gl::TEXTURE_2D, Some(&self.values));
        if other {
            self.held.replace(held);
            let sent = self.send(Gl::RG8UI, Gl::RG_INTEGER, picture.size, &bytes);
            if sent.is_none() {
                return false;
            }
        }
        gl.active_texture(Gl::TEXTURE1);
        gl.bind_texture(Gl::TEXTURE_2D, Some(&self.levels));
        // A table of 256 levels stands for every high byte.
        bytes.clear();
        bytes.extend(table.levels().iter().cycle().take(65_536));
        let sent = self.send(Gl::R8UI, Gl::RED_INTEGER, [256, 256], &bytes);
        if sent.is_none() {
            return false;
        }
        gl.active_texture(Gl::TEXTURE2);
        gl.bind_texture(Gl::TEXTURE_2D, Some(&self.over));
        // A sampler needs a texture, also where nothing is drawn.
        let (size, marks) = match picture.over.as_deref() {
            Some(marks) => (picture.size, marks),
            None => ([1, 1], &[0][..]),
        };
        if self.send(Gl::R8UI, Gl::RED_INTEGER, size, marks).is_none() {
            return false;
        }
        gl.use_program(Some(&self.grey));
        let place = |name| gl.get_uniform_location(&self.grey, name);
        gl.uniform1i(place("over").as_ref(), 2);
        gl.uniform1i(place("drawn").as_ref(), picture.over.is_some().into());
        let [r, g, b] = OVERLAY.map(f32::from);
        gl.uniform3f(place("ink").as_ref(), r, g, b);
        self.run(&self.grey, picture.size);
        true
    }

    /// Shows pixels that were painted on the CPU.
    pub(crate) fn copy(&self, size: [u32; 2], rgba: &[u8]) {
        self.held.replace(Weak::new());
        self.gl.active_texture(Gl::TEXTURE0);
        self.gl.bind_texture(Gl::TEXTURE_2D, Some(&self.values));
        let sent = self.send(Gl::RGBA8UI, Gl::RGBA_INTEGER, size, rgba);
        if sent.is_some() {
            self.run(&self.copy, size);
        }
    }

    /// Bytes, because these go as they lie in memory; words would have to be copied first.
    fn send(
        &self,
        inside: u32,
        format: u32,
        [width, height]: [u32; 2],
        bytes: &[u8],
    ) -> Option<()> {
        self.gl
            .tex_image_2d_with_i32_and_i32_and_i32_and_format_and_type_and_opt_u8_array(
                Gl::TEXTURE_2D,
                0,
                inside as i32,
                width as i32,
                height as i32,
                0,
                format,
                Gl::UNSIGNED_BYTE,
                Some(bytes),
            )
            .ok()
    }

    fn run(&self, program: &WebGlProgram, [width, height]: [u32; 2]) {
        let gl = &self.gl;
        gl.use_program(Some(program));
        gl.uniform1i(gl.get_uniform_location(program, "values").as_ref(), 0);
        gl.uniform1i(gl.get_uniform_location(program, "levels").as_ref(), 1);
        gl.viewport(0, 0, width as i32, height as i32);
        gl.draw_arrays(Gl::TRIANGLE_STRIP, 0, 4);
    }
}

/// Stored values as two bytes each; says whether they can be that.
fn patterns(pixels: &Pixels, bytes: &mut Vec<u8>) -> bool {
    let frame = match pixels {
        Pixels::Cut(values, offset, _) => {
            let values = values.iter().map(|v| (i32::from(*v) + offset) as u16);
            words(values, bytes);
            return true;
        }
        Pixels::Frame(frame, _) => frame,
    };
    match &frame.samples {
        Samples::U16(all) => words(all.iter().copied(), bytes),
        Samples::I16(all) => words(all.iter().map(|v| *v as u16), bytes),
        Samples::U8(all) => words(all.iter().map(|v| u16::from(*v)), bytes),
        Samples::I8(all) => words(all.iter().map(|v| u16::from(*v as u8)), bytes),
        _ => return false,
    }
    true
}

fn words(values: impl ExactSizeIterator<Item = u16>, bytes: &mut Vec<u8>) {
    bytes.resize(2 * values.len(), 0);
    for (place, value) in bytes.as_chunks_mut::<2>().0.iter_mut().zip(values) {
        *place = value.to_le_bytes();
    }
}

fn texture(gl: &Gl) -> Option<WebGlTexture> {
    let texture = gl.create_texture()?;
    gl.bind_texture(Gl::TEXTURE_2D, Some(&texture));
    for name in [Gl::TEXTURE_MIN_FILTER, Gl::TEXTURE_MAG_FILTER] {
        gl.tex_parameteri(Gl::TEXTURE_2D, name, Gl::NEAREST as i32);
    }
    for name in [Gl::TEXTURE_WRAP_S, Gl::TEXTURE_WRAP_T] {
        gl.tex_parameteri(Gl::TEXTURE_2D, name, Gl::CLAMP_TO_EDGE as i32);
    }
    Some(texture)
}

fn program(gl: &Gl, fragment: &str) -> Option<WebGlProgram> {
    let program = gl.create_program()?;
    for (kind, source) in [(Gl::VERTEX_SHADER, VERTEX), (Gl::FRAGMENT_SHADER, fragment)] {
        let shader = gl.create_shader(kind)?;
        gl.shader_source(&shader, source);
        gl.compile_shader(&shader);
        gl.attach_shader(&program, &shader);
    }
    gl.link_program(&program);
    gl.get_program_parameter(&program, Gl::LINK_STATUS)
        .as_bool()?
        .then_some(program)
}
