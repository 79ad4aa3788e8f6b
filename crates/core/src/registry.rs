//! The room registry contract as seen from outside: its calls, events and errors, and how it computes a
//! room's id. `contracts/` holds the contract itself.

use alloy_primitives::keccak256;
use alloy_sol_types::sol;

use crate::ids::{Person, RoomId};

sol! {
    /// Who is in which room: the truth that relay, key nodes and browsers ask.
    #[sol(all_derives)]
    interface RoomRegistry {
        /// What a person is in a room.
        enum Role { None, Member, Moderator, Owner }

        event RoomCreated(bytes32 indexed room, address indexed owner);
        event MemberAdded(bytes32 indexed room, address indexed person, address indexed by);
        event MemberRemoved(bytes32 indexed room, address indexed person, address indexed by);
        event RoleChanged(bytes32 indexed room, address indexed person, uint8 role);
        event OwnershipOffered(bytes32 indexed room, address indexed owner, address indexed to);
        event RoomArchived(bytes32 indexed room);

        error NoSuchRoom(bytes32 room);
        error RoomExists(bytes32 room);
        error RoomIsArchived(bytes32 room);
        error NotPermitted(bytes32 room, address person, Role role);
        error NotAMember(bytes32 room, address person);
        error OwnerStays(bytes32 room, address owner);
        error NothingOffered(bytes32 room, address person);
        error ZeroAddress();

        function createRoom(bytes32 salt, address[] members) external returns (bytes32 room);
        function roomId(address creator, bytes32 salt) external pure returns (bytes32);
        function addMembers(bytes32 room, address[] persons) external;
        function removeMembers(bytes32 room, address[] persons) external;
        function setModerator(bytes32 room, address person, bool on) external;
        function leave(bytes32 room) external;
        function transferOwnership(bytes32 room, address to) external;
        function acceptOwnership(bytes32 room) external;
        function archive(bytes32 room) external;

        /// The block that the contract was deployed in: a reader of its events starts here.
        function firstBlock() external view returns (uint256);
        function isAllowed(bytes32 room, address person) external view returns (bool);
        function roleOf(bytes32 room, address person) external view returns (Role);
        function ownerOf(bytes32 room) external view returns (address);
        function isArchived(bytes32 room) external view returns (bool);
        function memberCount(bytes32 room) external view returns (uint256);
        function members(bytes32 room, uint256 offset, uint256 limit) external view returns (address[]);
    }
}

/// The id that the registry gives to the room that `creator` makes with `salt`:
/// `keccak256(abi.encode(creator, salt))`.
pub fn room_id(creator: &Person, salt: &[u8; 32]) -> RoomId {
    let mut words = [0; 64];
    words[12..32].copy_from_slice(&creator.0);
    words[32..].copy_from_slice(salt);
    RoomId(keccak256(words).0)
}

/// The `parameters` of a key node's `isAllowed` condition: the room, and whoever asks for the share.
pub fn room_condition_parameters(room: &RoomId) -> [String; 2] {
    [room.to_string(), ":userAddress".to_owned()]
}
